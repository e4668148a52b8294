-- ARGV: now, a cursor, '0' at first. Of a cell that was made before there was a set of what is under way: puts some of its
-- sessions in. Answers where to go on, '0' at the end; from then on the set is whole, for whoever changes a session keeps it.
if redis.call('HEXISTS', KEYS[1], 'filled') == 1 then return '0' end
local found = redis.call('ZSCAN', P .. 'sessions', ARGV[2], 'COUNT', 256)
-- Each with its score.
for n = 1, #found[2], 2 do
  local status = redis.call('HGET', S(found[2][n]), 'status')
  if status and not over(status) then redis.call('SADD', UNDER_WAY, found[2][n]) end
end
if found[1] == '0' then redis.call('HSET', KEYS[1], 'filled', 1) end
return found[1]
