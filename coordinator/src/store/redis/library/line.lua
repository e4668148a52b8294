-- args: now, job, how many holders are named, how many sessions of a tenant and how many tenants are looked at.
-- Of a job that waits and is due, nothing of any other: how many of its session came before it; its tenant and the others,
-- its session and the others of its tenant; who holds the slots: some by name, how many of its tenant, how many of others.
local function of_session(session, waiting)
  local s = account_of(session)
  for class in pairs(s.has) do waiting = waiting + call('ZCARD', Q(session, class)) end
  local head_start = math.min(s.priority, MOST_PRIORITY) * HEAD_START
  return { session, s.runs, s.weight, s.mark, head_start, s.served, math.min(waiting, math.max(0, s.limit - s.runs)) }
end

-- With the sessions that are looked at: those in line first, then those of which something came due.
local function of_tenant(tenant, most, came)
  local t, seen, rows, waiting = touch_tenant(tenant), {}, {}, 0
  local function add(session)
    if seen[session] then return end
    seen[session] = true
    rows[#rows + 1] = of_session(session, came.of[session] or 0)
    waiting = waiting + rows[#rows][7]
  end
  for row in pairs(t.has) do
    for _, member in ipairs(call('ZRANGE', TQ(tenant, row), 0, most - 1)) do add(string.sub(member, TURN + 1)) end
  end
  for session, of in pairs(came.whose) do
    if of == tenant then add(session) end
  end
  waiting = math.min(waiting, math.max(0, t.limit - t.runs))
  return { tenant, t.runs, t.weight, t.mark or 0, 0, t.served, waiting }, rows
end

-- Those that hold the slots that a job waits for, of its tenant and of others: of very many some, and how many there are.
local MOST_LOOKED = 1000
local function holders(j, held)
  local kind, name, ids, mine, others = held and held[1] or 'fleet', held and held[2], {}, {}, {}
  if kind == 'engine' then
    ids = call('SMEMBERS', IN('e', j.e))
  elseif kind == 'provider' then
    ids = call('SMEMBERS', IN('p', name))
  elseif kind == 'session' then
    ids = call('ZRANGE', JOBS(j.s), 0, -1)
  else
    for n, member in ipairs(call('ZRANGE', LEASES, 0, MOST_LOOKED - 1)) do ids[n] = of_lease(member) end
  end
  for _, id in ipairs(ids) do
    local v = call('HMGET', J(id), 'm', 'st')
    local _, tenant = cmsgpack.unpack(v[1] or cmsgpack.pack(''))
    if v[2] == 'l' and (kind ~= 'tenant' or tenant == name) then
      local into = tenant == j.t and mine or others
      into[#into + 1] = id
    end
  end
  local all = call('ZCARD', LEASES)
  if all <= MOST_LOOKED or kind == 'engine' or kind == 'provider' or kind == 'session' then return mine, others, #mine, #others end
  local runs = touch_tenant(j.t).runs
  return mine, others, runs, kind == 'fleet' and all - runs or 0
end

-- The least of them by their bytes, as far as there is room behind those that are there.
local function add_least(first, ids, named)
  local from = #first
  for _, id in ipairs(ids) do
    local n = #first
    while n > from and bytes_before(id, first[n], 1) do n = n - 1 end
    if n < named then
      table.insert(first, n + 1, id)
      first[named + 1] = nil
    end
  end
end

local function named_of(j, named)
  local mine, others, of_mine, of_others = holders(j, blocked(j))
  local first = {}
  add_least(first, mine, named)
  add_least(first, others, named)
  for n, id in ipairs(first) do
    local holder = job(id)
    first[n] = { id, holder.t, holder.w, holder.si }
  end
  return first, of_mine, of_others
end

local function line(args)
  local now, j, named, most = clock(), job(args[2]), tonumber(args[3]), tonumber(args[4])
  if not j or j.st ~= 'q' or j.du > now then return false end
  local came, ahead = { of = {}, whose = {} }, 0
  for _, other in ipairs(late(now)) do
    came.of[other.s] = (came.of[other.s] or 0) + 1
    came.whose[other.s] = other.t
    if other.s == j.s and other.n < j.n then ahead = ahead + 1 end
  end
  for class in pairs(account_of(j.s).has) do ahead = ahead + call('ZCOUNT', Q(j.s, class), '-inf', '(' .. j.n) end

  local rows, seen = {}, { [j.t] = true }
  local own, siblings = of_tenant(j.t, most, came)
  rows[1] = own
  local sessions_of = { of_session(j.s, came.of[j.s] or 0) }
  for _, row in ipairs(siblings) do
    if row[1] ~= j.s then sessions_of[#sessions_of + 1] = row end
  end
  local function add(tenant)
    if seen[tenant] then return end
    seen[tenant] = true
    rows[#rows + 1] = of_tenant(tenant, most, came)
  end
  -- Whoever may run has a place among the tenants, whichever workers its jobs are for.
  for _, tenant in ipairs(call('SMEMBERS', P .. 'tenants')) do
    if #rows > most then break end
    if touch_tenant(tenant).key then add(tenant) end
  end
  for _, tenant in pairs(came.whose) do add(tenant) end
  local first, of_mine, of_others = named_of(j, named)
  return { ahead, rows, sessions_of, first, of_mine, of_others }
end
