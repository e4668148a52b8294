-- ARGV: now, how many at most. Of each, the longest dead first: id, fence, failed, died, since when.
local all = {}
local found = redis.call('ZRANGE', DEAD, 0, tonumber(ARGV[2]) - 1, 'WITHSCORES')
for n = 1, #found, 2 do
  local j = job(found[n])
  all[#all + 1] = { j.id, j.fe, j.f, j.d, tonumber(found[n + 1]) }
end
return all
