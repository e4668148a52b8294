-- ARGV: now, worker, request, only this session or '', only this tenant or '', what the worker offers
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

local offer = cjson.decode(ARGV[6])
local function set(list)
  local all = {}
  for _, one in ipairs(list) do all[one] = true end
  return all
end
local can, carries, slots = offer.abilities and set(offer.abilities), set(offer.labels), set(offer.slots)

local function is_able(needs)
  if not slots[needs.slot] or (can and needs.ability and not can[needs.ability]) then return false end
  for _, label in ipairs(needs.labels) do
    if not carries[label] then return false end
  end
  return needs.memory <= offer.whole[1] and needs.disk <= offer.whole[2]
end

local function is_open(e)
  if e == '-' then return true end
  local v = redis.call('HMGET', LIMITS, 'e:' .. e, 'p:' .. e)
  if v[1] and redis.call('SCARD', IN('e', e)) >= tonumber(v[1]) then return false end
  return not v[2] or redis.call('SCARD', IN('p', v[2])) < tonumber(redis.call('HGET', LIMITS, 'l:' .. v[2]))
end

-- Of each class whether the worker may have it, and whether it has room for it at the moment.
local known = {}
local function look(class)
  if known[class] then return known[class] end
  local found = { open = false, room = false }
  known[class] = found
  local home = home_of(class)
  local text = redis.call('HGET', CLASSES, string.match(class, '^[^@]*'))
  if not text or (home ~= '' and only == '' and home ~= offer.homes[1] and home ~= offer.homes[2]) then return found end
  local needs = cjson.decode(text)
  found.open = is_able(needs) and is_open(needs.engine)
  found.room = needs.memory <= offer.free[1] and needs.disk <= offer.free[2]
  return found
end

local function before(a, b)
  local x, y = string.sub(a, 1, TURN), string.sub(b, 1, TURN)
  if x ~= y then return x < y end
  return bytes_before(a, b, TURN + 1)
end

local function full(of) return redis.call('SCARD', IN('t', of)) >= tenant_limit(of) end

local function may_run(class, roomy) return look(class).open and (not roomy or look(class).room) end

local function least(index, classes, roomy)
  local best = nil
  for _, class in ipairs(classes) do
    if may_run(class, roomy) then
      local first = redis.call('ZRANGE', index(class), 0, 0)[1]
      if first and (not best or before(first, best)) then best = first end
    end
  end
  return best and string.sub(best, TURN + 1)
end

-- Whose turn it is: the job and its class; only among those that there is room for, when that is asked.
local function next_of(roomy)
  local tenant, session
  if only ~= '' then
    local v = redis.call('HMGET', S(only), 'tenant', 'limit')
    if not v[2] or (mine ~= '' and v[1] ~= mine) then return nil end
    session, tenant = only, v[1]
    if redis.call('SCARD', IN('s', session)) >= tonumber(v[2]) or full(tenant) then return nil end
  else
    tenant = mine
    if mine == '' then
      tenant = least(RQ, redis.call('SUNION', RS(''), RS(offer.homes[1]), RS(offer.homes[2])), roomy)
    elseif full(mine) then
      return nil
    end
    if not tenant then return nil end
    session = least(function(class) return TQ(tenant, class) end, redis.call('SMEMBERS', TE(tenant)), roomy)
    if not session then return nil end
  end
  local id, arrived, of
  for _, class in ipairs(redis.call('SMEMBERS', SE(session))) do
    if may_run(class, roomy) then
      local first = redis.call('ZRANGE', Q(session, class), 0, 0, 'WITHSCORES')
      if first[1] and (not id or tonumber(first[2]) < arrived) then
        id, arrived, of = first[1], tonumber(first[2]), class
      end
    end
  end
  return id, of
end

local id, class = next_of(false)
if not id then return false end
if not look(class).room then
  if now - job(id).du >= SQUEEZED then return false end
  id = next_of(true)
  if not id then return false end
end

local j = job(id)
pull(j)
local t, s = touch(j.t, j.s)
local counter = redis.call('HINCRBY', KEYS[1], 'claims', 1)
local fence = redis.call('HGET', KEYS[1], 'generation') .. '.' .. counter .. '.' .. request
local provider = redis.call('HGET', LIMITS, 'p:' .. j.e)
redis.call('HSET', J(id), 'st', 'l', 'a', j.a + 1, 'w', worker, 'fe', fence, 'si', now)
if provider then
  redis.call('HSET', J(id), 'p', provider)
  redis.call('SADD', IN('p', provider), id)
end
redis.call('SADD', RUNNING, id)
redis.call('SADD', IN('t', j.t), id)
redis.call('SADD', IN('s', j.s), id)
redis.call('SADD', IN('w', worker), id)
if j.e ~= '-' then redis.call('SADD', IN('e', j.e), id) end
redis.call('ZADD', LEASES, now + LEASE, id)
redis.call('HSET', REQ, request, id)
put(t, 'served', counter)
put(s, 'served', counter)
flush()
news('')
j.a, j.w, j.fe, j.si = j.a + 1, worker, fence, now
return show(j, now + LEASE)
