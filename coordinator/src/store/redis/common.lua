-- In front of every script. What it decides is what `domain/src/schedule.rs` says; a differential test holds them together.
--
-- KEYS[1] is the cell's own key, `arena:{CELL}:cell`. Every other key begins as it does, so all are in one slot:
--   j:JOB    hash: s session, t tenant, e engine, c class, h home, i engine work, st state (q l d c x), a attempt, f failed,
--            d died, n arrived; leased: w worker, fe fence, si since, p provider; queued: du due
--   b:JOB    the job as it travels                     s:SESSION  hash: the record's head, the account, the limit
--   q:S:C    waiting jobs by arrival                   t:TENANT   hash: the account
--   se:S     classes with waiting jobs                 e:SESSION  list of events       ev:SESSION  stream of the feed
--   tq:T:C   sessions that may run, by whose turn      te:T       their classes        sj:SESSION  all jobs by arrival
--   rq:C     tenants that may run, by whose turn       rs:H       their classes        classes     hash: what each needs
--   in, in:t:T, in:s:S, in:e:E, in:p:P, in:w:W         sets of running jobs
--   lease, due, kept, dead   by time                   req        hash: request of a claim to its job
--   sessions all by age, ids by their letters          under_way  set of those that have not ended
-- A session or a tenant at its limit is in no tq or rq, so what is blocked costs a claim nothing.
-- A class is a digest of the engine, the slot and all that a job needs, so that a worker looks only at what it can run; while
-- the job is kept for its home, it is that and `@HOME`, which no other worker looks at. An engine is `-` for none, or `=` and
-- its name; names are encoded where they are part of a key.
local P = string.sub(KEYS[1], 1, -5)

-- Each name once a run: encoding is what a script would spend most of its time on.
local encoded = {}
local function enc(name)
  local known = encoded[name]
  if not known then
    known = name
    -- Most names are plain, and to see that is cheaper than to write them anew.
    if string.find(name, '[^A-Za-z0-9._/-]') then
      known = string.gsub(name, '[^A-Za-z0-9._/-]', function(c) return string.format('%%%02x', string.byte(c)) end)
    end
    encoded[name] = known
  end
  return known
end
local function J(id) return P .. 'j:' .. enc(id) end
local function B(id) return P .. 'b:' .. enc(id) end
local function S(session) return P .. 's:' .. enc(session) end
local function T(tenant) return P .. 't:' .. enc(tenant) end
local function Q(session, class) return P .. 'q:' .. enc(session) .. ':' .. enc(class) end
local function TQ(tenant, class) return P .. 'tq:' .. enc(tenant) .. ':' .. enc(class) end
local function RQ(class) return P .. 'rq:' .. enc(class) end
-- The classes that only a home looks at, or everybody for ''.
local function RS(home) return P .. 'rs:' .. enc(home) end
local function SE(session) return P .. 'se:' .. enc(session) end
local function TE(tenant) return P .. 'te:' .. enc(tenant) end
local function IN(kind, name) return P .. 'in:' .. kind .. ':' .. enc(name) end
local LIMITS, LEASES, DUE, DEAD, REQ, RUNNING = P .. 'limits', P .. 'lease', P .. 'due', P .. 'dead', P .. 'req', P .. 'in'
local KEPT, CLASSES, UNDER_WAY = P .. 'kept', P .. 'classes', P .. 'under_way'

-- ARGV[1] is NOW/LEASE/MARGIN in milliseconds: how long the leases hold that the asker gives and renews, and its margin.
local NOW, LEASE, KILL_MARGIN = string.match(ARGV[1], '^(%d*)/(%d+)/(%d+)$')
LEASE, KILL_MARGIN = tonumber(LEASE), tonumber(KILL_MARGIN)

-- The server's own clock; only tests give another one.
local function clock()
  if NOW ~= '' then return tonumber(NOW) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function div(a, b) return (a - a % b) / b end

-- Whether a session has ended, by its status.
local function over(status) return status ~= 'new' and status ~= 'waiting' and status ~= 'running' end

local function job(id)
  local v = redis.call('HMGET', J(id), 's', 't', 'e', 'st', 'a', 'f', 'd', 'n', 'fe', 'si', 'w', 'p', 'du', 'i', 'c', 'h')
  if not v[1] then return nil end
  return { id = id, s = v[1], t = v[2], e = v[3], st = v[4], a = tonumber(v[5]), f = tonumber(v[6]), d = tonumber(v[7]),
    n = tonumber(v[8]), fe = v[9], si = tonumber(v[10] or '0'), w = v[11], p = v[12], du = tonumber(v[13] or '0'),
    i = v[14] == '1', c = v[15], h = v[16] or nil }
end

-- Until when only its home may have it.
local function kept_until(j)
  if not j.h then return j.du end
  return j.du + tonumber(redis.call('HGET', LIMITS, 'patience:' .. string.sub(j.h, 1, 1)) or '0')
end

-- The class it waits under.
local function R(j)
  if j.h and redis.call('ZSCORE', KEPT, j.id) then return j.c .. '@' .. j.h end
  return j.c
end

local function home_of(class) return string.match(class, '@(.*)$') or '' end

local function tenant_limit(tenant)
  local v = redis.call('HMGET', LIMITS, 't:' .. tenant, 'w:' .. tenant, 'tenant')
  return tonumber(v[1] or v[3]), tonumber(v[2] or '1')
end

-- The first limit that holds a job back: dimension, name, running, limit, and the set of those that run.
local function blocked(j)
  local function at(dimension, name, set, limit)
    local running = limit and redis.call('SCARD', set)
    if limit and running >= limit then return { dimension, name, running, limit, set } end
  end
  local v = redis.call('HMGET', LIMITS, 'fleet', 'e:' .. j.e, 'p:' .. j.e)
  local limit = tenant_limit(j.t)
  return at('fleet', 'all', RUNNING, tonumber(v[1]))
    or at('tenant', j.t, IN('t', j.t), limit)
    or at('session', j.s, IN('s', j.s), tonumber(redis.call('HGET', S(j.s), 'limit')))
    or at('engine', string.sub(j.e, 2), IN('e', j.e), tonumber(v[2]))
    or (v[3] and at('provider', v[3], IN('p', v[3]), tonumber(redis.call('HGET', LIMITS, 'l:' .. v[3]))))
end

-- Text by its bytes, from the nth on: the server's own comparison follows its locale.
local function bytes_before(a, b, from)
  for n = from, math.min(#a, #b) do
    local p, q = string.byte(a, n), string.byte(b, n)
    if p ~= q then return p < q end
  end
  return #a < #b
end

-- Whose turn it is, as text that sorts: parts of slots that run by weight, the mark, the latest claim.
local TURN = 44
local function turn(share, mark, served) return string.format('%012d%016d%016d', share, mark, served) end

-- What a script changes is read when it is touched first, and written back by `flush`, together with its places in the
-- indexes, as far as they are other ones then. `was`: the classes that it stood in line with; `has`: those of now; `set`:
-- fields to write; `force`: its places are written whatever they were.
local tenants, sessions = {}, {}

local function with_classes(account, index)
  account.was, account.has, account.set = {}, {}, {}
  for _, e in ipairs(redis.call('SMEMBERS', index)) do account.was[e], account.has[e] = true, true end
  return account
end

local function touch_tenant(tenant)
  local t = tenants[tenant]
  if not t then
    local v = redis.call('HMGET', T(tenant), 'key', 'mark', 'served')
    t = { key = v[1], mark = tonumber(v[2] or nil), served = tonumber(v[3] or '0'), left = {}, taken = {} }
    t.limit, t.weight = tenant_limit(tenant)
    tenants[tenant] = with_classes(t, TE(tenant))
  end
  return t
end

local function touch(tenant, session)
  local t, s = touch_tenant(tenant), sessions[session]
  if not s then
    local v = redis.call('HMGET', S(session), 'key', 'mark', 'served', 'limit', 'weight', 'priority')
    s = { key = v[1], mark = tonumber(v[2] or nil), served = tonumber(v[3] or '0'), t = tenant, limit = tonumber(v[4] or nil),
      weight = tonumber(v[5] or '1'), priority = tonumber(v[6] or '0') }
    sessions[session] = with_classes(s, SE(session))
  end
  return t, s
end

-- Changes a field of an account.
local function put(account, field, value) account[field], account.set[field] = value, value end

local function write(key, account)
  local fields = {}
  for field, value in pairs(account.set) do
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
end

-- The key by which it stands in line now, or nothing; whether that is another one.
local function placed(account, name, key)
  local moved = account.force or key ~= account.key
  if moved and key then account.set.key = key end
  if account.key and not key then redis.call('HDEL', name, 'key') end
  write(name, account)
  return moved
end

local function flush_session(session, s)
  local key, t = false, tenants[s.t]
  if next(s.has) then
    local running = redis.call('SCARD', IN('s', session))
    if running < s.limit then
      local head_start = math.min(s.priority, MOST_PRIORITY) * HEAD_START
      key = turn(div(running * PARTS, s.weight), math.max(0, s.mark - head_start), s.served)
    end
  end
  local moved = placed(s, S(session), key)
  if s.key then
    for e in pairs(s.was) do
      if moved or not s.has[e] then
        redis.call('ZREM', TQ(s.t, e), s.key .. session)
        t.left[e] = true
      end
    end
  end
  if not key then return end
  for e in pairs(s.has) do
    if moved or not s.was[e] then
      redis.call('ZADD', TQ(s.t, e), 0, key .. session)
      t.taken[e] = true
      if not t.has[e] then redis.call('SADD', TE(s.t), e) end
      t.has[e] = true
    end
  end
end

local function flush_tenant(tenant, t)
  for e in pairs(t.force and t.has or t.left) do
    if not t.taken[e] and redis.call('EXISTS', TQ(tenant, e)) == 0 then
      redis.call('SREM', TE(tenant), e)
      if t.key and t.was[e] then redis.call('ZREM', RQ(e), t.key .. tenant) end
      if redis.call('EXISTS', RQ(e)) == 0 then redis.call('SREM', RS(home_of(e)), e) end
      t.has[e] = nil
    end
  end
  local key = false
  if next(t.has) then
    local running = redis.call('SCARD', IN('t', tenant))
    if running < t.limit then key = turn(div(running * PARTS, t.weight), t.mark or 0, t.served) end
  end
  local moved = placed(t, T(tenant), key)
  if t.key and moved then
    for e in pairs(t.was) do redis.call('ZREM', RQ(e), t.key .. tenant) end
  end
  if not key then return end
  for e in pairs(t.has) do
    if moved or not t.was[e] then
      redis.call('ZADD', RQ(e), 0, key .. tenant)
      -- Whoever stood there before is known there.
      if t.force or not t.key or not t.was[e] then redis.call('SADD', RS(home_of(e)), e) end
    end
  end
end

local function flush()
  for session, s in pairs(sessions) do flush_session(session, s) end
  for tenant, t in pairs(tenants) do flush_tenant(tenant, t) end
  tenants, sessions = {}, {}
end

-- A version that grows, and a stream to wait on for those who shall look: w, there may be work; l, leases ended that their
-- workers did not end; d, a worker shall be drained; f, a feed goes on. What is nothing of these nobody waits for.
local function news(what)
  local version = redis.call('HINCRBY', KEYS[1], 'changes', 1)
  if what ~= '' then redis.call('XADD', P .. 'news', 'MAXLEN', '~', 64, version .. '-0', 'n', what) end
end

-- One command for many arguments, in parts that fit on Lua's stack.
local function each(command, key, from, first)
  for n = first, #from, 4000 do redis.call(command, key, unpack(from, n, math.min(n + 3999, #from))) end
end

local function push(j, now)
  local _, s = touch(j.t, j.s)
  local class = j.c
  if j.h then
    local kept = kept_until(j)
    if now < kept then
      redis.call('ZADD', KEPT, kept, j.id)
      class = class .. '@' .. j.h
    else
      redis.call('ZREM', KEPT, j.id)
    end
  end
  redis.call('ZADD', Q(j.s, class), j.n, j.id)
  if not s.has[class] then redis.call('SADD', SE(j.s), class) end
  s.has[class] = true
end

-- Out of what waits.
local function pull(j)
  local _, s = touch(j.t, j.s)
  local class = R(j)
  if j.h then redis.call('ZREM', KEPT, j.id) end
  -- What is not in line comes due.
  if redis.call('ZREM', Q(j.s, class), j.id) == 0 then redis.call('ZREM', DUE, j.id) end
  if redis.call('EXISTS', Q(j.s, class)) == 0 then
    if s.has[class] then redis.call('SREM', SE(j.s), class) end
    s.has[class] = nil
  end
end

-- With further fields of the job, if there are any.
local function enqueue(j, due, now, ...)
  redis.call('HSET', J(j.id), 'st', 'q', 'du', due, ...)
  j.du = due
  if due <= now then push(j, now) else redis.call('ZADD', DUE, due, j.id) end
end

-- What came due moves into the line, and what was kept for its home into everybody's, so many at a time.
local function promote(now)
  local ids = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, MOST_DUE)
  for _, id in ipairs(ids) do
    redis.call('ZREM', DUE, id)
    local j = job(id)
    if j and j.st == 'q' then push(j, now) end
  end
  local over = redis.call('ZRANGEBYSCORE', KEPT, '-inf', now, 'LIMIT', 0, MOST_DUE)
  for _, id in ipairs(over) do
    local j = job(id)
    if j and j.st == 'q' then
      pull(j)
      push(j, now)
    else
      redis.call('ZREM', KEPT, id)
    end
  end
  if #ids + #over > 0 then flush() end
end

local function charge(account, used, now)
  put(account, 'mark', math.min(math.max(account.mark or 0, now) + div(used, account.weight), now + HORIZON))
end

-- Ends a lease: its slots are free, and its time is charged.
local function release(j, now)
  local t, s = touch(j.t, j.s)
  redis.call('SREM', RUNNING, j.id)
  redis.call('SREM', IN('t', j.t), j.id)
  redis.call('SREM', IN('s', j.s), j.id)
  if j.e ~= '-' then redis.call('SREM', IN('e', j.e), j.id) end
  redis.call('SREM', IN('w', j.w), j.id)
  if j.p then redis.call('SREM', IN('p', j.p), j.id) end
  redis.call('ZREM', LEASES, j.id)
  redis.call('HDEL', REQ, string.match(j.fe, '([^.]*)$'))
  redis.call('HDEL', J(j.id), 'w', 'si', 'p')
  local used = math.max(0, now - j.si)
  charge(t, used, now)
  charge(s, used, now)
end
