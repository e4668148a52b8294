-- In front of every function of the library. What it decides is what `domain/src/schedule.rs` says; a differential test holds
-- them together.
--
-- KEYS[1] is the cell's own key, `arena:{CELL}:cell`: a hash of its counters and its generation, and of what a claim has to know
-- of these and the limits (generation, slots in all, whether engines have limits). Every other key begins as it does, so all
-- are in one slot:
--   j:JOB    hash: m what it is (session, tenant, engine, engine work, arrived, class, home), st state (q l d c x), du due,
--            r how it ran (fence, attempt, failed, died, worker, since, whether its engine is counted, provider)
--   b:JOB    the job as it travels                     s:SESSION  hash: the record's head, and `account`
--   q:S:C    waiting jobs by arrival                   t:TENANT   its account
--   tq:T:R   sessions that may run, by whose turn
--   rq:R     tenants that may run, by whose turn       rs:GROUP   their rows, by who looks at them (`group_of`)
--   e:SESSION  list of events                          ev:SESSION stream of the feed, lg:SESSION of what
--            its engines print                        sj:SESSION  all jobs by arrival
--   in:w:W   hash: request of a claim to its job       in:e:E, in:p:P  sets of running jobs, where there is a limit
--   lease    `JOB FENCE` by when it ends               due        by when it comes due or is no longer kept for its home
--   dead     by since when                             classes    hash: what each needs
--   sessions all by age, ids by their letters          under_way  set of those that have not ended
-- How many run of a session and of a tenant is a number in its account: each call that changes the state of a job changes it in
-- the same step, once, since a job that is not leased cannot end its lease; the sweeper counts again.
-- A session or a tenant at its limit is in no tq or rq, so what is blocked costs a claim nothing.
-- A class is a digest of the engine, the slot and all that a job needs, so that a worker looks only at what it can run; while
-- the job is kept for its home, it is that and `@HOME`, which no other worker looks at. Who has jobs of several classes that
-- everybody looks at stands in one row for all of them, named by all of them, and not in one for each, so that a step costs the
-- same with many classes; but there are so many such rows at most (MOST_ROWS), of tenants and of the sessions of each, since a
-- claim looks at the first of each: whoever comes when they are as many stands apart, in a row for each class.
-- An engine is `-` for none, or `=` and its name; names are encoded where they are part of a key.
--
-- A library is loaded once, so that a call makes no closures; what belongs to one call is set by `start`.
local call
local P, CELL, NOW, LEASE, KILL_MARGIN
local LIMITS, LEASES, DUE, DEAD, CLASSES, UNDER_WAY
local tenants, sessions

-- Names that were encoded lately: to look through each is what a call would spend much of its time on.
local encoded, known_names = {}, 0
local function enc(name)
  local known = encoded[name]
  if known then return known end
  known = name
  -- Most names are plain, and to see that is cheaper than to write them anew.
  if string.find(name, '[^A-Za-z0-9._/-]') then
    known = string.gsub(name, '[^A-Za-z0-9._/-]', function(c) return string.format('%%%02x', string.byte(c)) end)
  end
  known_names = known_names + 1
  if known_names > MOST_NAMES then encoded, known_names = {}, 1 end
  encoded[name] = known
  return known
end
local function J(id) return P .. 'j:' .. enc(id) end
local function B(id) return P .. 'b:' .. enc(id) end
local function S(session) return P .. 's:' .. enc(session) end
local function T(tenant) return P .. 't:' .. enc(tenant) end
local function Q(session, class) return P .. 'q:' .. enc(session) .. ':' .. enc(class) end

-- The lines are asked for many times by each call: their keys, by tenant and row.
local lines, known_lines = {}, 0
local function TQ(tenant, row)
  local of = lines[tenant]
  local key = of and of[row]
  if key then return key end
  if known_lines > MOST_NAMES then lines, known_lines = {}, 0 end
  of = lines[tenant] or {}
  key = P .. 'tq:' .. enc(tenant) .. ':' .. enc(row)
  lines[tenant], of[row], known_lines = of, key, known_lines + 1
  return key
end
local of_rows, known_rows = {}, 0
local function RQ(row)
  local key = of_rows[row]
  if key then return key end
  if known_rows > MOST_NAMES then of_rows, known_rows = {}, 0 end
  key = P .. 'rq:' .. enc(row)
  of_rows[row], known_rows = key, known_rows + 1
  return key
end
local function RS(group) return P .. 'rs:' .. enc(group) end
local function IN(kind, name) return P .. 'in:' .. kind .. ':' .. enc(name) end
local function JOBS(session) return P .. 'sj:' .. enc(session) end

-- The first argument is NOW/LEASE/MARGIN in milliseconds: how long the leases hold that the asker gives and renews, and its
-- margin.
local terms
local function start(keys, args)
  call = redis.call
  if CELL ~= keys[1] then
    CELL = keys[1]
    P = string.sub(CELL, 1, -5)
    LIMITS, LEASES, DUE, DEAD, CLASSES = P .. 'limits', P .. 'lease', P .. 'due', P .. 'dead', P .. 'classes'
    UNDER_WAY = P .. 'under_way'
    lines, of_rows = {}, {}
  end
  if terms ~= args[1] then
    terms = args[1]
    NOW, LEASE, KILL_MARGIN = string.match(terms, '^(%d*)/(%d+)/(%d+)$')
    LEASE, KILL_MARGIN = tonumber(LEASE), tonumber(KILL_MARGIN)
  end
  tenants, sessions = {}, {}
end

local function div(a, b) return (a - a % b) / b end

-- The server's own clock; only tests give another one.
local function clock()
  if NOW ~= '' then return tonumber(NOW) end
  local time = call('TIME')
  return time[1] * 1000 + div(time[2], 1000)
end

-- Whether a session has ended, by its status.
local function over(status) return status ~= 'new' and status ~= 'waiting' and status ~= 'running' end

-- With its fence, its attempt, and how often it failed and its worker died. Whoever ran it last stays written, and is told only
-- of a lease.
local function job(id)
  local v = call('HMGET', J(id), 'm', 'st', 'r', 'du')
  if not v[1] then return nil end
  local j = { id = id, st = v[2], du = tonumber(v[4]), a = 0, f = 0, d = 0 }
  j.s, j.t, j.e, j.i, j.n, j.c, j.h = cmsgpack.unpack(v[1])
  if v[3] then
    local r = cmsgpack.unpack(v[3])
    j.fe, j.a, j.f, j.d = r[1], r[2], r[3], r[4]
    if j.st == 'l' then j.w, j.si, j.g, j.p = r[5], r[6], r[7], r[8] end
  end
  return j
end

-- How it ran, as it is kept.
local function ran(j) return cmsgpack.pack({ j.fe, j.a, j.f, j.d, j.w, j.si, j.g, j.p }) end

local function lease(j) return j.id .. ' ' .. j.fe end
-- The job of a lease.
local function of_lease(member) return string.match(member, '^(.*) %S+$') end
local function request_of(j) return string.match(j.fe, '([^.]*)$') end

-- Until when only its home may have it.
local function kept_until(j)
  if not j.h then return j.du end
  return j.du + tonumber(call('HGET', LIMITS, 'patience:' .. string.sub(j.h, 1, 1)) or '0')
end

-- By where it stands in `due`, if anywhere: what comes due later than it was to is in line, and kept for its home until then.
local function is_kept(j, at) return j.h and at and tonumber(at) > j.du end

-- The class it waits under.
local function R(j)
  if j.h and is_kept(j, call('ZSCORE', DUE, j.id)) then return j.c .. '@' .. j.h end
  return j.c
end

-- What a class needs. It is a digest of that, so it says the same at any time.
local needs, known_needs = {}, 0
local function needs_of(class)
  local found = needs[class]
  if found then return found end
  local text = call('HGET', CLASSES, class)
  if not text then return nil end
  found = cjson.decode(text)
  known_needs = known_needs + 1
  if known_needs > MOST_NAMES then needs, known_needs = {}, 1 end
  needs[class] = found
  return found
end

-- Who looks at a class: a home, or those that carry the first of its labels, or everybody. So what nobody carries costs nobody
-- a look.
local function label_group(label) return 'l:' .. label end
local function group_of(class)
  local home = string.match(class, '@(.*)$')
  if home then return home end
  local of = needs_of(class)
  local first = of and of.labels[1]
  return first and label_group(first) or ''
end

-- The classes of a row.
local parts, known_parts = {}, 0
local function classes_of(row)
  local found = parts[row]
  if found then return found end
  found = {}
  if string.find(row, '@', 1, true) then
    found[1] = row
  else
    for class in string.gmatch(row, '[^+]+') do found[#found + 1] = class end
  end
  known_parts = known_parts + 1
  if known_parts > MOST_NAMES then parts, known_parts = {}, 1 end
  parts[row] = found
  return found
end
local function is_joint(row) return classes_of(row)[2] ~= nil end
-- A row of several classes is of such as everybody looks at, and counted with its like.
local JOINT = '+'
local function row_group(row) return is_joint(row) and JOINT or group_of(row) end

-- The rows for what has jobs of these classes; apart: one for each.
local function rows_of(has, apart)
  local rows, common = {}, {}
  for class in pairs(has) do
    if apart or group_of(class) ~= '' then rows[class] = true else common[#common + 1] = class end
  end
  if #common > 0 and #common <= MOST_JOINED then
    table.sort(common)
    rows[table.concat(common, '+')] = true
  else
    for _, class in ipairs(common) do rows[class] = true end
  end
  return rows
end

local function tenant_limit(tenant)
  local v = call('HMGET', LIMITS, 't:' .. tenant, 'w:' .. tenant, 'tenant')
  return tonumber(v[1] or v[3] or '1'), tonumber(v[2] or '1')
end

-- Its engine's limit and provider, as the cell has them.
local function engine_limit(e)
  local v = call('HMGET', LIMITS, 'e:' .. e, 'p:' .. e)
  return tonumber(v[1] or nil), v[2] or nil
end

-- Text by its bytes, from the nth on: the server's own comparison follows its locale.
local function bytes_before(a, b, from)
  for n = from, math.min(#a, #b) do
    local p, q = string.byte(a, n), string.byte(b, n)
    if p ~= q then return p < q end
  end
  return #a < #b
end

-- Whose turn it is, as bytes that sort: parts of slots that run by weight, the mark, the latest claim.
local TURN = 20
local function turn(share, mark, served)
  return struct.pack('>I4I8I8', share < UNLIMITED and share or UNLIMITED, mark, served)
end
