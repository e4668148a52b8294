-- args: now, worker, request, only this session or '', only this tenant or '', and what the worker offers: a digest of all
-- of it, its two homes, its slots, memory and disk when it has nothing to do and at the moment, how many abilities or '' for
-- every one, they, its labels
local offer, looked, limits

-- What the cell says of itself: its generation, its slots in all, whether engines have limits, and when it was made. Read when it
-- says another thing. How often the rows that there are became others goes on with them. False where there is no cell.
local rules, generation, fleet, is_limited, rows_said
local function read_rules()
  local said = call('HMGET', CELL, 'rules', 'rows')
  rows_said = said[2]
  if said[1] == rules then return true end
  if not said[1] then return false end
  local of, slots, limited = string.match(said[1], '^(%d+)/(%d+)/(%d)/')
  rules, generation, fleet, is_limited = said[1], of, tonumber(slots), limited == '1'
  return true
end

-- Workers ask again and again with the same offer: what it says is read once, and what follows from it alone is kept with it.
local offers, kept = {}, 0

local function parsed(args)
  local found = { args[7], args[8], slots = args[9], memory = tonumber(args[10]), disk = tonumber(args[11]),
    free_memory = tonumber(args[12]), free_disk = tonumber(args[13]), labels = {}, looked = {} }
  local n = 14 + (tonumber(args[14]) or 0)
  if args[14] ~= '' then
    found.can = {}
    for k = 15, n do found.can[args[k]] = true end
  end
  found.groups = { RS(''), RS(JOINT), RS(args[7]), RS(args[8]) }
  for k = n + 1, #args do
    found.labels[args[k]] = true
    found.groups[#found.groups + 1] = RS(label_group(args[k]))
  end
  found.of = table.concat(found.groups, ' ')
  return found
end

local function read_offer(args, only)
  -- Each look counts too.
  if kept > MOST_NAMES then offers, kept = {}, 0 end
  local known = offers[args[6]]
  if not known or known.cell ~= CELL then
    known = parsed(args)
    known.cell = CELL
    offers[args[6]], kept = known, kept + 1
  end
  offer, limits = known, {}
  -- What limits or one session leave open is another thing each time.
  looked = (is_limited or only ~= '') and {} or known.looked
end

local function is_able(of)
  if not string.find(offer.slots, of.slot, 1, true) then return false end
  if offer.can and of.ability and not offer.can[of.ability] then return false end
  for _, label in ipairs(of.labels) do
    if not offer.labels[label] then return false end
  end
  return of.memory <= offer.memory and of.disk <= offer.disk
end

-- Of each engine its limit and its provider, where the cell has any.
local function limits_of(e)
  if e == '-' or not is_limited then return nil, nil end
  if not limits[e] then limits[e] = { engine_limit(e) } end
  return limits[e][1], limits[e][2]
end

local function is_open(e)
  local limit, provider = limits_of(e)
  if limit and call('SCARD', IN('e', e)) >= limit then return false end
  return not provider or call('SCARD', IN('p', provider)) < tonumber(call('HGET', LIMITS, 'l:' .. provider))
end

-- The rows of the groups that an offer is of, by the groups and not with each offer: there may be many of both. What is alike is
-- there once. All are forgotten when the cell says another thing; the rules name the generation, in which it counts how often
-- rows became others.
local shown, alike, known_shown, shown_rules, shown_said = {}, {}, 0, nil, nil

-- These rows, in the table in which they are already if there is one.
local function as_known(all)
  local known = alike[#all]
  for n = 1, known and #all or 0 do
    if not known[all[n]] then
      known = nil
      break
    end
  end
  if known then return known end
  -- The first of all is what any claim has to look at, however long it is.
  if next(alike) then known_shown = known_shown + #all end
  known = {}
  for _, row in ipairs(all) do known[row] = true end
  alike[#all] = known
  return known
end

local function rows_shown()
  if shown_said ~= rows_said or shown_rules ~= rules then
    shown, alike, known_shown, shown_rules, shown_said = {}, {}, 0, rules, rows_said
  end
  local rows = shown[offer.of]
  if rows then return rows end
  if known_shown > MOST_NAMES then shown, alike, known_shown = {}, {}, 0 end
  rows = as_known(call('SUNION', unpack(offer.groups)))
  shown[offer.of], known_shown = rows, known_shown + 1
  return rows
end

local function remember(what, found)
  looked[what] = found
  -- What is forgotten with the call is not counted.
  if looked == offer.looked then kept = kept + 1 end
end

-- Of each class whether the worker may have it, and whether it has room for it at the moment.
local function look(class, only)
  local found = looked[class]
  if found then return found end
  found = { open = false, room = false, kept = false }
  local at = string.find(class, '@', 1, true)
  found.kept = at ~= nil
  if at and only == '' then
    local home = string.sub(class, at + 1)
    if home ~= offer[1] and home ~= offer[2] then return found end
  end
  local of = needs_of(at and string.sub(class, 1, at - 1) or class)
  -- It may become known.
  if not of then return found, true end
  found.engine = of.engine
  found.open = is_able(of) and is_open(of.engine)
  found.room = of.memory <= offer.free_memory and of.disk <= offer.free_disk
  remember(class, found)
  return found
end

-- Of each row whether the worker may have something of it.
local function look_at_row(row, only)
  local classes = classes_of(row)
  if not classes[2] then return look(row, only) end
  local found, is_whole = looked[row], true
  if found then return found end
  found = { open = false, room = false }
  for _, class in ipairs(classes) do
    local of, is_unknown = look(class, only)
    is_whole = is_whole and not is_unknown
    found.open, found.room = found.open or of.open, found.room or (of.open and of.room)
  end
  if is_whole then remember(row, found) end
  return found
end

local function may_run(found, roomy) return found.open and (not roomy or found.room) end

local function before(a, b)
  local p, q, r = struct.unpack('>I4I8I8', a)
  local x, y, z = struct.unpack('>I4I8I8', b)
  if p ~= x then return p < x end
  if q ~= y then return q < y end
  if r ~= z then return r < z end
  return bytes_before(a, b, TURN + 1)
end

local function least(index, of, rows, only, roomy)
  local best = nil
  for row in pairs(rows) do
    if may_run(look_at_row(row, only), roomy) then
      local first = call('ZRANGE', index(of, row), '0', '0')[1]
      if first and first ~= best and (not best or before(first, best)) then best = first end
    end
  end
  return best and string.sub(best, TURN + 1), best
end

local function of_tenants(_, row) return RQ(row) end

-- What stands under a key that its owner does not have is nobody's, and would be first for ever.
local function is_own(key, name, member, index, of, rows)
  if key and key .. name == member then return true end
  for row in pairs(rows) do call('ZREM', index(of, row), member) end
  return false
end

-- Whose turn it is: tenant and session.
local function whose(only, mine, roomy)
  local tenant, session, member = mine, only, nil
  if only ~= '' then
    tenant = call('HGET', S(only), 'tenant')
    if not tenant or (mine ~= '' and tenant ~= mine) then return nil end
  elseif mine == '' then
    local rows = rows_shown()
    tenant, member = least(of_tenants, '', rows, only, roomy)
    if not tenant or not is_own(touch_tenant(tenant).key, tenant, member, of_tenants, '', rows) then return nil end
  end
  local t = touch_tenant(tenant)
  if t.runs >= t.limit then return nil end
  if only == '' then
    session, member = least(TQ, tenant, t.has, only, roomy)
    if not session then
      -- It stands in line for nobody, and would be first for ever.
      if mine == '' then
        t.force = true
        flush()
      end
      return nil
    end
    if not is_own(touch(tenant, session).key, session, member, TQ, tenant, t.has) then return nil end
  end
  return tenant, session, member
end

-- The job whose turn it is: what it is, where it stands, and when the next of its class there arrived; only among those that
-- there is room for, when that is asked. None, though its session is said to have one: what says so is wrong.
local function next_of(only, mine, roomy)
  local t, session, member = whose(only, mine, roomy)
  if not session then return nil end
  local s = touch(t, session)
  if s.runs >= (s.limit or 1) then return nil end
  local best, arrived = nil, nil
  for class, first in pairs(s.has) do
    if (not best or first < arrived) and may_run(look(class, only), roomy) then best, arrived = class, first end
  end
  if not best then
    -- It stands in a row that is not its own.
    for row in pairs(member and touch_tenant(t).has or {}) do
      if not s.rows[row] then call('ZREM', TQ(t, row), member) end
    end
    return nil
  end
  local first = call('ZRANGE', Q(session, best), '0', '1', 'WITHSCORES')
  return { id = first[1], n = tonumber(first[2] or nil), class = best, second = first[4], t = t, s = session }
end

local function show(j, expires)
  return { j.id, call('GET', B(j.id)), j.a, j.f, j.d, j.n, j.w, j.fe, j.si, expires }
end

-- How a job ran that never did.
local NEVER = { '', 0, 0, 0 }

-- Into a lease, and out of the line. What does not wait only leaves the line.
local function take(j, worker, request, given, now)
  local id, t, s, e = j.id, touch_tenant(j.t), touch(j.t, j.s), looked[j.class].engine
  heads(s, j.class, j.second)
  local at = id and J(id)
  local v = at and call('HMGET', at, 'st', 'r')
  if id then call('ZREM', Q(j.s, j.class), id) end
  if not id or v[1] ~= 'q' then
    flush()
    return false
  end
  local r = v[2] and cmsgpack.unpack(v[2]) or NEVER
  j.a, j.f, j.d = r[2], r[3], r[4]
  local limit, provider = limits_of(e)
  -- It was kept for this home.
  if looked[j.class].kept then call('ZREM', DUE, id) end
  local counter = call('HINCRBY', CELL, 'claims', '1')
  local ends = string.format('%d', now + LEASE)
  j.w, j.si, j.fe = worker, now, generation .. '.' .. counter .. '.' .. request
  j.a, j.g, j.p = j.a + 1, limit and true or false, provider
  call('HSET', at, 'st', 'l', 'r', ran(j))
  if limit then call('SADD', IN('e', e), id) end
  if provider then call('SADD', IN('p', provider), id) end
  call('HSET', given, request, id)
  call('ZADD', LEASES, ends, lease(j))
  t.served, t.runs, t.moved = counter, t.runs + 1, true
  s.served, s.runs, s.moved = counter, s.runs + 1, true
  flush()
  return show(j, ends)
end

local function claim(args)
  local now, worker, request, only, mine = clock(), args[2], args[3], args[4], args[5]
  local given = IN('w', worker)
  local known = call('HGET', given, request)
  local j = known and job(known)
  if j and j.st == 'l' and request_of(j) == request then
    -- A write, so that whoever waits for replicas waits for the first answer too.
    call('HINCRBY', CELL, 'repeated', 1)
    return show(j, call('ZSCORE', LEASES, lease(j)))
  end
  promote(now)
  -- Whoever asks goes on when it has begun anew.
  if not read_rules() then return redis.error_reply('NOCELL there is no cell any more') end
  if fleet < UNLIMITED and call('ZCARD', LEASES) >= fleet then return false end
  read_offer(args, only)
  local found = next_of(only, mine, false)
  if not found then return false end
  if found.id and not look(found.class, only).room then
    local due = call('HGET', J(found.id), 'du')
    if due and now - due >= SQUEEZED then return false end
    -- One that was lost has no time, and needs no room to leave the line.
    if due then found = next_of(only, mine, true) end
    if not found then return false end
  end
  return take(found, worker, request, given, now)
end
