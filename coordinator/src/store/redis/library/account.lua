-- What a call changes of sessions and tenants is read when it is touched first, and written back by `flush`, together with their
-- places in the indexes, as far as they are other ones then. Of an account: `has`: of a session, the classes that it has jobs of
-- in line; of a tenant, the rows in which a session of it stands; `rows`: those in which it stands for that itself, nothing when
-- they are to be chosen anew, as they are each time that it comes into line; `was`: its rows before; `apart`: it has one for
-- each class; `moved`: what its place follows from is another; `lined`: so is what it has; `force`: its places are written
-- whatever they were. Of a tenant: `left`: rows that a session of it left.

-- An account as it is kept: its mark, its latest claim, how many run, the limit, the weight, the priority, whether it stands in
-- line (1) and apart (2), the key by which it stands, and of a session each class with the arrival of the first job of it in line,
-- of a tenant each row with 0.
local NUMBERS, SIZE = '>I8I8I4I4I4I4I1', 33
local FIRST, FIRST_SIZE = '>I8I2', 10

local function packed(account)
  if account.lined then
    local line = ''
    for class, first in pairs(account.has) do line = line .. struct.pack(FIRST, first, #class) .. class end
    account.line = line
  end
  local key = account.key
  -- Of one that was lost nothing is known: one of it at a time is within any limit.
  return struct.pack(NUMBERS, account.mark or 0, account.served, account.runs, account.limit or 1, account.weight, account.priority,
    (key and 1 or 0) + (account.apart and 2 or 0)) .. (key or '') .. account.line
end

-- Without a text: of one that nothing is known of yet, which has no mark.
local function unpacked(text)
  if not text then return { served = 0, runs = 0, weight = 1, priority = 0, line = '', has = {} } end
  local mark, served, runs, limit, weight, priority, stands = struct.unpack(NUMBERS, text)
  local has, from = {}, SIZE + stands % 2 * TURN
  local line, at = string.sub(text, from + 1), 1
  while at < #line do
    local first, size = struct.unpack(FIRST, line, at)
    at = at + FIRST_SIZE + size
    has[string.sub(line, at - size, at - 1)] = first
  end
  return { mark = mark, served = served, runs = runs, limit = limit, weight = weight, priority = priority, line = line, has = has,
    key = stands % 2 == 1 and string.sub(text, SIZE + 1, from) or nil, apart = stands > 1 }
end

-- Accounts as they were last written or found: that it is the same text is seen sooner than what it says is read. While a call
-- has one it is no account of this text, so that a call which fails midway leaves none that is not as it is written.
local read, known_accounts = {}, 0

local function account_at(key, text)
  local account = read[key]
  if not account or not text or account.text ~= text then
    account = unpacked(text)
  end
  account.at, account.found, account.text = key, text, nil
  account.moved, account.lined, account.force = nil, nil, nil
  return account
end

local function is_written(account, text)
  local key = account.at
  if not read[key] then
    if known_accounts > MOST_NAMES then read, known_accounts = {}, 0 end
    known_accounts = known_accounts + 1
  end
  read[key], account.text = account, text
end

local function classes_in(rows)
  local all = {}
  for row in pairs(rows) do
    for _, class in ipairs(classes_of(row)) do all[class] = true end
  end
  return all
end

local function touch_tenant(tenant)
  local t = tenants[tenant]
  if t then return t end
  local key = T(tenant)
  t = account_at(key, call('GET', key))
  -- Later it is as the cell's limits say: whoever changes those changes it too.
  if not t.mark then t.limit, t.weight = tenant_limit(tenant) end
  if not t.rows then t.rows = rows_of(classes_in(t.has), t.apart) end
  t.was, t.left = t.rows, {}
  tenants[tenant] = t
  return t
end

-- From the account as it is kept.
local function opened(tenant, session, text)
  local s = account_at(S(session), text)
  if not s.rows then s.rows = rows_of(s.has, s.apart) end
  s.t, s.was = tenant, s.rows
  sessions[session] = s
  return s
end

local function touch(tenant, session)
  return sessions[session] or opened(tenant, session, call('HGET', S(session), 'account'))
end

-- The account of a session, only to look at it.
local function account_of(session) return unpacked(call('HGET', S(session), 'account')) end

-- The first limit that holds a job back: dimension, name, running, limit.
local function blocked(j)
  local function at(dimension, name, count, limit)
    if limit and count >= limit then return { dimension, name, count, limit } end
  end
  local t, s, limit, provider = touch_tenant(j.t), account_of(j.s), engine_limit(j.e)
  return at('fleet', 'all', call('ZCARD', LEASES), tonumber(call('HGET', LIMITS, 'fleet')))
    or at('tenant', j.t, t.runs, t.limit)
    or at('session', j.s, s.runs, s.limit)
    or at('engine', string.sub(j.e, 2), call('SCARD', IN('e', j.e)), limit)
    or (provider and at('provider', provider, call('SCARD', IN('p', provider)), tonumber(call('HGET', LIMITS, 'l:' .. provider))))
end

-- Changes what the place of an account follows from.
local function put(account, field, value) account[field], account.moved = value, true end

-- The key by which it stands in line now, or nothing; whether that is another one, and the one before.
local function placed(account, key)
  local was = account.key
  account.key = key
  return account.force or key ~= was, was
end

-- A job of a class more, or a class that it has no jobs of any more.
local function stands(s, class, arrived)
  local first = s.has[class]
  if first and first <= arrived then return end
  s.has[class], s.lined = arrived, true
  if not first then s.rows = nil end
end
local function stands_no_more(s, class)
  if s.has[class] then s.has[class], s.lined, s.rows = nil, true, nil end
end
-- The arrival of the first job of a class is another one now, or there is none.
local function heads(s, class, first)
  if not first then return stands_no_more(s, class) end
  if not s.has[class] then s.rows = nil end
  s.has[class], s.lined = tonumber(first), true
end

-- Its rows, for what it has now: one for all classes that everybody looks at, unless it is another one than before and there are
-- too many.
local function choose(account, was, has, is_full)
  account.rows, account.apart = rows_of(has, false), false
  for row in pairs(account.rows) do
    if is_joint(row) and not (was and account.was[row]) and is_full(row) then
      account.rows, account.apart = rows_of(has, true), true
      return
    end
  end
end

-- How many joint rows there will be that others stand in, when it leaves its own.
local function joint_beside(account, was, count, key)
  for row in pairs(was and account.was or {}) do
    if is_joint(row) and call('ZCARD', key(row)) <= 1 then count = count - 1 end
  end
  return count
end

local function key_of_session(s)
  if not next(s.has) or s.runs >= (s.limit or 1) then return nil end
  local mark = s.mark or 0
  if s.priority > 0 then mark = math.max(0, mark - math.min(s.priority, MOST_PRIORITY) * HEAD_START) end
  return turn(div(s.runs * PARTS, s.weight), mark, s.served)
end

local function is_full_of_sessions(s, was, t)
  local count = 0
  for row in pairs(t.has) do
    if is_joint(row) then count = count + 1 end
  end
  return count >= MOST_ROWS and joint_beside(s, was, count, function(row) return TQ(s.t, row) end) >= MOST_ROWS
end

-- Its account as it is to be kept, or nothing when that is as it was; its places are written.
local function settle_session(session, s)
  if not (s.moved or s.lined or s.force) then return nil end
  local t, moved, was = touch_tenant(s.t), placed(s, key_of_session(s))
  if not s.rows or (s.key and not was) then
    choose(s, was, s.has, function(row) return not t.has[row] and is_full_of_sessions(s, was, t) end)
  end
  if was then
    for row in pairs(s.was) do
      if moved or not s.rows[row] then call('ZREM', TQ(s.t, row), was .. session) end
      if not s.key or not s.rows[row] then t.left[row] = true end
    end
  end
  for row in pairs(s.key and s.rows or {}) do
    if moved or not was or not s.was[row] then
      call('ZADD', TQ(s.t, row), '0', s.key .. session)
      stands(t, row, 0)
    end
  end
  return packed(s)
end

-- Whether a row is looked at by those of its group. A claim remembers which there are as long as the cell counts none more.
local function show_row(row, is_shown)
  if call(is_shown and 'SADD' or 'SREM', RS(row_group(row)), row) == 1 then call('HINCRBY', CELL, 'rows', '1') end
end

local function is_full_of_tenants(t, was, row)
  local all = RS(JOINT)
  if call('SISMEMBER', all, row) == 1 then return false end
  local count = call('SCARD', all)
  return count >= MOST_ROWS and joint_beside(t, was, count, RQ) >= MOST_ROWS
end

local function flush_tenant(tenant, t)
  -- Rows in which no session of it stands any more.
  for row in pairs(t.force and t.has or t.left) do
    if call('EXISTS', TQ(tenant, row)) == 0 then stands_no_more(t, row) end
  end
  if not (t.moved or t.force or t.lined) then return is_written(t, t.found) end
  local key = nil
  if next(t.has) and t.runs < t.limit then key = turn(div(t.runs * PARTS, t.weight), t.mark or 0, t.served) end
  local moved, was = placed(t, key)
  if not t.rows or (key and not was) then
    choose(t, was, classes_in(t.has), function(row) return is_full_of_tenants(t, was, row) end)
  end
  for row in pairs(t.was) do
    if was and (moved or not t.rows[row]) then call('ZREM', RQ(row), was .. tenant) end
    if not t.rows[row] and call('EXISTS', RQ(row)) == 0 then show_row(row, false) end
  end
  for row in pairs(key and t.rows or {}) do
    local stood = was and t.was[row]
    if moved or not stood then call('ZADD', RQ(row), '0', key .. tenant) end
    -- Whoever stood there before is known there.
    if t.force or not stood then show_row(row, true) end
  end
  local text = packed(t)
  call('SET', t.at, text)
  is_written(t, text)
end

local function flush()
  for session, s in pairs(sessions) do
    local text = settle_session(session, s)
    if text then call('HSET', s.at, 'account', text) end
    is_written(s, text or s.found)
  end
  for tenant, t in pairs(tenants) do flush_tenant(tenant, t) end
  tenants, sessions = {}, {}
end

-- A version that grows, and a stream to wait on for those who shall look: w, there may be work; l, leases ended that their
-- workers did not end; d, a worker shall be drained; f, a feed goes on.
local function news(what)
  local version = call('HINCRBY', CELL, 'changes', 1)
  call('XADD', P .. 'news', 'MAXLEN', '~', 64, version .. '-0', 'n', what)
end

-- One command for many arguments, in parts that fit on Lua's stack.
local function each(command, key, from, first)
  for n = first, #from, 4000 do call(command, key, unpack(from, n, math.min(n + 3999, #from))) end
end
