-- ARGV: now, nonce, session, version, event, status, winner, job to settle or '', its fence, cancel: '', 'all' or 'engines';
-- how many jobs, and of each: id, body, session, tenant, engine, engine work, limit, weight, priority, class, what that needs,
-- home or ''; then what is told
local now, nonce, session, version = clock(), ARGV[2], ARGV[3], tonumber(ARGV[4])
local settle, fence, cancel = ARGV[8], ARGV[9], ARGV[10]

local v = redis.call('HMGET', S(session), 'version', 'last', 'answer', 'touched')
-- A write, so that whoever waits for replicas waits for the first report too.
local function again() redis.call('HINCRBY', KEYS[1], 'repeated', 1) end
-- The same call once more: its answer was lost.
if v[2] == nonce then
  again()
  return cmsgpack.unpack(v[3])
end
local settled = settle ~= '' and job(settle)
-- The fence before the version: a repeated report must be told apart from a conflict.
if settle ~= '' then
  if not settled or settled.fe ~= fence then return { 'stale' } end
  if settled.st == 'd' then
    again()
    return { 'repeated' }
  end
  if settled.st ~= 'l' and settled.st ~= 'x' then return { 'stale' } end
end
if not v[1] then return { 'unknown' } end
if tonumber(v[1]) ~= version then return { 'conflict' } end

local function finish(j, state)
  redis.call('HSET', J(j.id), 'st', state)
  redis.call('UNLINK', B(j.id))
end
if settled then
  if settled.st == 'l' then release(settled, now) else redis.call('ZREM', DEAD, settle) end
  finish(settled, 'd')
end
local answer = { 'done' }
if cancel ~= '' then
  for _, id in ipairs(redis.call('ZRANGE', P .. 'sj:' .. enc(session), 0, -1)) do
    local j = job(id)
    if j.st ~= 'd' and j.st ~= 'c' and (cancel == 'all' or j.i) then
      if j.st == 'l' then
        release(j, now)
        answer[#answer + 1] = id
      elseif j.st == 'q' then
        pull(j)
      else
        redis.call('ZREM', DEAD, id)
      end
      redis.call('HDEL', J(id), 'fe')
      finish(j, 'c')
    end
  end
end
local n = 12
for _ = 1, tonumber(ARGV[11]) do
  local id, body, of, tenant, engine, work = ARGV[n], ARGV[n + 1], ARGV[n + 2], ARGV[n + 3], ARGV[n + 4], ARGV[n + 5]
  if redis.call('EXISTS', J(id)) == 0 then
    local class, home = ARGV[n + 9], ARGV[n + 11]
    local j = { id = id, s = of, t = tenant, e = engine, c = class, h = home ~= '' and home or nil,
      n = redis.call('HINCRBY', KEYS[1], 'arrivals', 1) - 1 }
    local t, s = touch(tenant, of)
    local fields = { 's', of, 't', tenant, 'e', engine, 'i', work, 'a', 0, 'f', 0, 'd', 0, 'n', j.n, 'c', class }
    if j.h then fields[#fields + 1], fields[#fields + 2] = 'h', home end
    redis.call('HSETNX', CLASSES, class, ARGV[n + 10])
    redis.call('SET', B(id), body)
    redis.call('ZADD', P .. 'sj:' .. enc(of), j.n, id)
    redis.call('SADD', P .. 'tenants', tenant)
    if not t.mark then put(t, 'mark', now) end
    if not s.mark then put(s, 'mark', now) end
    s.set.tenant = tenant
    put(s, 'limit', tonumber(ARGV[n + 6]))
    put(s, 'weight', tonumber(ARGV[n + 7]))
    put(s, 'priority', tonumber(ARGV[n + 8]))
    enqueue(j, now, now, unpack(fields))
  end
  n = n + 12
end
redis.call('RPUSH', P .. 'e:' .. enc(session), ARGV[5])
redis.call(over(ARGV[6]) and 'SREM' or 'SADD', UNDER_WAY, session)
local record = sessions[session] or { set = {} }
record.set.version, record.set.status, record.set.winner, record.set.last = version + 1, ARGV[6], ARGV[7], nonce
record.set.answer, record.set.touched = cmsgpack.pack(answer), math.max(tonumber(v[4]), now)
if not sessions[session] then write(S(session), record) end
for told = n, #ARGV do
  local seq = redis.call('HINCRBY', S(session), 'seq', 1)
  redis.call('XADD', P .. 'ev:' .. enc(session), seq .. '-0', 'b', ARGV[told])
end
flush()
news('f' .. ((settled or cancel ~= '' or ARGV[11] ~= '0') and 'w' or '') .. (#answer > 1 and 'l' or ''))
return answer
