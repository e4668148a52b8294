-- args: now. What is indexed as leased, as running of an engine or a provider, due, dead, under way or as a session, and is not,
-- some of it each time; and how many run of each tenant, as far as not all of them together are as many as there are leases, or
-- these are few.
local found

local function orphan(key, name, id, state)
  local j = id and job(id)
  if j and j.st == state and (state ~= 'l' or lease(j) == name) then return end
  call('ZREM', key, name)
  found[#found + 1] = (id or name) .. ': was in ' .. key
end

-- Whoever has a slot of an engine or a provider and does not run there: of those that have limits so many together.
local function holders()
  local keys = {}
  for _, field in ipairs(call('HRANDFIELD', LIMITS, MOST_DUE)) do
    local kind, name = string.match(field, '^([el]):(.*)$')
    if kind then keys[#keys + 1] = { IN(kind == 'e' and 'e' or 'p', name), kind, name } end
  end
  local most = math.ceil(MOST_DUE / math.max(1, #keys))
  for _, of in ipairs(keys) do
    local key, kind, name = unpack(of)
    for _, id in ipairs(call('SRANDMEMBER', key, most)) do
      local j = job(id)
      local holds = j and j.st == 'l' and (kind == 'e' and j.g and j.e or kind == 'l' and j.p) == name
      if not holds then
        call('SREM', key, id)
        found[#found + 1] = id .. ': was in ' .. key
      end
    end
  end
end

local function count_tenants()
  -- Of many tenants not each time.
  if call('SCARD', P .. 'tenants') > MOST_DUE and not call('SET', P .. 'counted', '1', 'NX', 'PX', '60000') then return end
  local all, runs, sum = call('SMEMBERS', P .. 'tenants'), {}, 0
  for _, tenant in ipairs(all) do sum = sum + touch_tenant(tenant).runs end
  local leases = call('ZCARD', LEASES)
  if sum == leases and leases > MOST_DUE then return end
  for _, name in ipairs(call('ZRANGE', LEASES, 0, -1)) do
    local j = job(of_lease(name))
    local tenant = j and j.t
    if tenant then runs[tenant] = (runs[tenant] or 0) + 1 end
  end
  for _, tenant in ipairs(all) do
    local t, n = touch_tenant(tenant), runs[tenant] or 0
    if t.runs ~= n then
      found[#found + 1] = tenant .. ': ' .. t.runs .. ' of it were counted as running, and ' .. n .. ' run'
      put(t, 'runs', n)
    end
  end
  flush()
end

local function orphans()
  found = {}
  for _, name in ipairs(call('ZRANGE', LEASES, 0, MOST_DUE - 1)) do orphan(LEASES, name, of_lease(name), 'l') end
  holders()
  for _, id in ipairs(call('ZRANGE', DUE, 0, MOST_DUE - 1)) do orphan(DUE, id, id, 'q') end
  for _, id in ipairs(call('ZRANDMEMBER', DEAD, MOST_DUE)) do orphan(DEAD, id, id, 'x') end
  for _, session in ipairs(call('SRANDMEMBER', UNDER_WAY, MOST_DUE)) do
    local status = call('HGET', S(session), 'status')
    if not status or over(status) then
      call('SREM', UNDER_WAY, session)
      found[#found + 1] = session .. ': was in what is under way'
    end
  end
  local sessions = P .. 'sessions'
  for _, session in ipairs(call('ZRANDMEMBER', sessions, MOST_DUE)) do
    if call('EXISTS', S(session)) == 0 then
      call('ZREM', sessions, session)
      call('ZREM', P .. 'ids', session)
      found[#found + 1] = session .. ': was in the list of sessions'
    end
  end
  -- What a tenant at its limit left behind is no fault, and costs each claim a look.
  for _, row in ipairs(call('SUNION', RS(''), RS(JOINT))) do
    if call('EXISTS', RQ(row)) == 0 then show_row(row, false) end
  end
  count_tenants()
  return found
end
