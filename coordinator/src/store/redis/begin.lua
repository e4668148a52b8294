-- ARGV: now, the server's replication id, 'takes' or 'keeps', then names and values of the limits. Answers whether the cell had
-- other limits. Whoever starts sets its own; whoever only comes back keeps what another one set meanwhile.
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
local held = redis.call('HLEN', LIMITS)
local same = held == (#ARGV - 3) / 2
for n = 4, #ARGV, 2 do same = same and redis.call('HGET', LIMITS, ARGV[n]) == ARGV[n + 1] end
if not same and (ARGV[3] == 'takes' or held == 0) then
  redis.call('DEL', LIMITS)
  for n = 4, #ARGV, 2 do redis.call('HSET', LIMITS, ARGV[n], ARGV[n + 1]) end
  -- An engine may count to another provider now.
  for _, id in ipairs(redis.call('SMEMBERS', RUNNING)) do
    local j = job(id)
    local provider = redis.call('HGET', LIMITS, 'p:' .. j.e)
    if j.p ~= provider then
      if j.p then redis.call('SREM', IN('p', j.p), id) end
      if provider then
        redis.call('SADD', IN('p', provider), id)
        redis.call('HSET', J(id), 'p', provider)
      else
        redis.call('HDEL', J(id), 'p')
      end
    end
  end
  -- Whoever is at another limit now comes into the line, or leaves it.
  for _, tenant in ipairs(redis.call('SMEMBERS', P .. 'tenants')) do touch_tenant(tenant) end
  flush()
  news('w')
end
return held > 0 and not same and 1 or 0
