-- ARGV: now. What is indexed as running, leased, due, dead or under way, and is not; some of it each time.
local mended = {}
local function say(what) mended[#mended + 1] = what end
local wanted = { [LEASES] = 'l', [DUE] = 'q', [KEPT] = 'q', [DEAD] = 'x' }
for key, state in pairs(wanted) do
  for _, id in ipairs(redis.call('ZRANGE', key, 0, MOST_DUE - 1)) do
    local j = job(id)
    if not j or j.st ~= state then
      redis.call('ZREM', key, id)
      say(id .. ': was in ' .. key)
    end
  end
end
for _, id in ipairs(redis.call('SRANDMEMBER', RUNNING, MOST_DUE)) do
  local j = job(id)
  if not j or j.st ~= 'l' then
    redis.call('SREM', RUNNING, id)
    say(id .. ': was in what runs')
  end
end
for _, id in ipairs(redis.call('SRANDMEMBER', UNDER_WAY, MOST_DUE)) do
  local status = redis.call('HGET', S(id), 'status')
  if not status or over(status) then
    redis.call('SREM', UNDER_WAY, id)
    say(id .. ': was in what is under way')
  end
end
return mended
