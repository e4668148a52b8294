-- ARGV: now, the server's replication id, then names and values of the limits. Answers the generation.
local longest = math.max(LEASE, tonumber(redis.call('HGET', KEYS[1], 'lease') or '0'))
redis.call('HSET', KEYS[1], 'lease', longest)
-- Another id: a replica was promoted, or the server began anew; its latest writes may be lost, and its counters went back.
if redis.call('HGET', KEYS[1], 'replid') ~= ARGV[2] then
  redis.call('HINCRBY', KEYS[1], 'generation', 1)
  redis.call('HSET', KEYS[1], 'replid', ARGV[2])
  -- Renewals may be among what was lost, and whoever was answered one runs on: every lease is whole again, and as long as
  -- the longest that any coordinator of this cell gave.
  local whole = clock() + longest
  for _, id in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do redis.call('ZADD', LEASES, 'XX', 'GT', whole, id) end
end
local same = redis.call('HLEN', LIMITS) == (#ARGV - 2) / 2
for n = 3, #ARGV, 2 do same = same and redis.call('HGET', LIMITS, ARGV[n]) == ARGV[n + 1] end
if not same then
  redis.call('DEL', LIMITS)
  for n = 3, #ARGV, 2 do redis.call('HSET', LIMITS, ARGV[n], ARGV[n + 1]) end
  -- Whoever is at another limit now comes into the line, or leaves it.
  for _, tenant in ipairs(redis.call('SMEMBERS', P .. 'tenants')) do touch_tenant(tenant) end
  flush()
  news()
end
return redis.call('HGET', KEYS[1], 'generation')
