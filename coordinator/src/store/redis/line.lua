-- ARGV: now, job, how many holders are named, how many sessions of a tenant and how many tenants are looked at.
-- Of a job that waits and is due, nothing of any other: how many of its session came before it; its tenant and the others,
-- its session and the others of its tenant; who holds the slots: some by name, how many of its tenant, how many of others.
local now, j, named, most = clock(), job(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if not j or j.st ~= 'q' or j.du > now then return false end

-- What has come due and was not asked for since is in no line yet.
local late, of_late, ahead = {}, {}, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, MOST_DUE)) do
  local other = job(id)
  late[other.s] = (late[other.s] or 0) + 1
  of_late[other.s] = other.t
  if other.s == j.s and other.n < j.n then ahead = ahead + 1 end
end
for _, e in ipairs(redis.call('SMEMBERS', SE(j.s))) do
  ahead = ahead + redis.call('ZCOUNT', Q(j.s, e), '-inf', '(' .. j.n)
end

local function of_session(session)
  local v = redis.call('HMGET', S(session), 'limit', 'weight', 'mark', 'priority', 'served')
  local running, waiting = redis.call('SCARD', IN('s', session)), late[session] or 0
  for _, e in ipairs(redis.call('SMEMBERS', SE(session))) do waiting = waiting + redis.call('ZCARD', Q(session, e)) end
  local head_start = math.min(tonumber(v[4]), MOST_PRIORITY) * HEAD_START
  waiting = math.min(waiting, math.max(0, tonumber(v[1]) - running))
  return { session, running, tonumber(v[2]), tonumber(v[3]), head_start, tonumber(v[5] or '0'), waiting }
end

local function of_tenant(tenant)
  local limit, weight = tenant_limit(tenant)
  local v, seen, rows = redis.call('HMGET', T(tenant), 'mark', 'served'), {}, {}
  local running, waiting = redis.call('SCARD', IN('t', tenant)), 0
  local function add(session)
    if seen[session] then return end
    seen[session] = true
    rows[#rows + 1] = of_session(session)
    waiting = waiting + rows[#rows][7]
  end
  for _, e in ipairs(redis.call('SMEMBERS', TE(tenant))) do
    for _, member in ipairs(redis.call('ZRANGE', TQ(tenant, e), 0, most - 1)) do add(string.sub(member, TURN + 1)) end
  end
  for session, of in pairs(of_late) do
    if of == tenant then add(session) end
  end
  waiting = math.min(waiting, math.max(0, limit - running))
  return { tenant, running, weight, tonumber(v[1] or '0'), 0, tonumber(v[2] or '0'), waiting }, rows
end

local tenants, sessions, seen = {}, {}, { [j.t] = true }
local own, rows = of_tenant(j.t)
tenants[1], sessions[1] = own, of_session(j.s)
for _, row in ipairs(rows) do
  if row[1] ~= j.s then sessions[#sessions + 1] = row end
end
local function add(tenant)
  if seen[tenant] then return end
  seen[tenant] = true
  tenants[#tenants + 1] = of_tenant(tenant)
end
-- Whoever may run has a place among the tenants, whichever workers its jobs are for.
for _, tenant in ipairs(redis.call('SMEMBERS', P .. 'tenants')) do
  if #tenants > most then break end
  if redis.call('HEXISTS', T(tenant), 'key') == 1 then add(tenant) end
end
for _, tenant in pairs(of_late) do add(tenant) end

local held = blocked(j)
local slots = held and held[5] or RUNNING
local first = {}
-- The least of them by their bytes, as far as there is room behind those that are there.
local function name(ids)
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
local mine = redis.call('SINTER', slots, IN('t', j.t))
name(mine)
if #first < named then name(redis.call('SDIFF', slots, IN('t', j.t))) end
for n, id in ipairs(first) do
  local holder = job(id)
  first[n] = { id, holder.t, holder.w, holder.si }
end
return { ahead, tenants, sessions, first, #mine, redis.call('SCARD', slots) - #mine }
