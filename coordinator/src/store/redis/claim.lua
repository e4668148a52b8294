-- ARGV: now, worker, request, only this session or '', only this tenant or '', engines: 'all' or how many, and each
local now, worker, request, only, mine = clock(), ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local function show(j, expires)
  return { j.id, redis.call('GET', B(j.id)), j.a, j.f, j.d, j.n, j.w, j.fe, j.si, expires }
end

local given = redis.call('HGET', REQ, request)
if given then
  -- A write, so that whoever waits for replicas waits for the first answer too.
  redis.call('HINCRBY', KEYS[1], 'repeated', 1)
  return show(job(given), redis.call('ZSCORE', LEASES, given))
end
promote(now)
if redis.call('SCARD', RUNNING) >= tonumber(redis.call('HGET', LIMITS, 'fleet')) then return false end

local has = nil
if ARGV[6] ~= 'all' then
  has = { ['-'] = true }
  for n = 7, #ARGV do has[ARGV[n]] = true end
end

local known = {}
local function open(e)
  if known[e] ~= nil then return known[e] end
  known[e] = true
  if has and not has[e] then known[e] = false end
  if e ~= '-' and known[e] then
    local v = redis.call('HMGET', LIMITS, 'e:' .. e, 'p:' .. e)
    if v[1] and redis.call('SCARD', IN('e', e)) >= tonumber(v[1]) then known[e] = false end
    if v[2] and redis.call('SCARD', IN('p', v[2])) >= tonumber(redis.call('HGET', LIMITS, 'l:' .. v[2])) then
      known[e] = false
    end
  end
  return known[e]
end

local function before(a, b)
  local x, y = string.sub(a, 1, TURN), string.sub(b, 1, TURN)
  if x ~= y then return x < y end
  return bytes_before(a, b, TURN + 1)
end

local function least(index, engines)
  local best = nil
  for _, e in ipairs(engines) do
    if open(e) then
      local first = redis.call('ZRANGE', index(e), 0, 0)[1]
      if first and (not best or before(first, best)) then best = first end
    end
  end
  return best and string.sub(best, TURN + 1)
end

local function full(of) return redis.call('SCARD', IN('t', of)) >= tenant_limit(of) end

local tenant, session
if only ~= '' then
  local v = redis.call('HMGET', S(only), 'tenant', 'limit')
  if not v[2] or (mine ~= '' and v[1] ~= mine) then return false end
  session, tenant = only, v[1]
  if redis.call('SCARD', IN('s', session)) >= tonumber(v[2]) or full(tenant) then return false end
else
  tenant = mine
  if mine == '' then
    tenant = least(RQ, redis.call('SMEMBERS', P .. 'engines'))
  elseif full(mine) then
    return false
  end
  if not tenant then return false end
  session = least(function(e) return TQ(tenant, e) end, redis.call('SMEMBERS', TE(tenant)))
  if not session then return false end
end
local id, arrived
for _, e in ipairs(redis.call('SMEMBERS', SE(session))) do
  if open(e) then
    local first = redis.call('ZRANGE', Q(session, e), 0, 0, 'WITHSCORES')
    if first[1] and (not id or tonumber(first[2]) < arrived) then id, arrived = first[1], tonumber(first[2]) end
  end
end
if not id then return false end

local j = job(id)
pull(j)
local counter = redis.call('HINCRBY', KEYS[1], 'claims', 1)
local fence = redis.call('HGET', KEYS[1], 'generation') .. '.' .. counter .. '.' .. request
local provider = redis.call('HGET', LIMITS, 'p:' .. j.e)
redis.call('HSET', J(id), 'st', 'l', 'a', j.a + 1, 'w', worker, 'fe', fence, 'si', now)
if provider then
  redis.call('HSET', J(id), 'p', provider)
  redis.call('SADD', IN('p', provider), id)
end
redis.call('SADD', RUNNING, id)
redis.call('SADD', IN('t', tenant), id)
redis.call('SADD', IN('s', session), id)
redis.call('SADD', IN('w', worker), id)
if j.e ~= '-' then redis.call('SADD', IN('e', j.e), id) end
redis.call('ZADD', LEASES, now + LEASE, id)
redis.call('HSET', REQ, request, id)
redis.call('HSET', T(tenant), 'served', counter)
redis.call('HSET', S(session), 'served', counter)
flush()
news('')
j.a, j.w, j.fe, j.si = j.a + 1, worker, fence, now
return show(j, now + LEASE)
