-- args: now, session. Holds each job of the session against the indexes and mends them; answers what it mended.
local mended
local function say(what) mended[#mended + 1] = what end

local function member(key, id, wanted, what)
  local there = call('SISMEMBER', key, id) == 1
  if there == wanted then return end
  call(wanted and 'SADD' or 'SREM', key, id)
  say(id .. ': ' .. (wanted and 'was not in ' or 'was in ') .. what)
end

local function scored(key, name, score, id, what)
  local there = call('ZSCORE', key, name)
  if (there and true or false) == (score and true or false) then return end
  if score then call('ZADD', key, score, name) else call('ZREM', key, name) end
  say(id .. ': ' .. (score and 'was not in ' or 'was in ') .. what)
end

local function sweep_lease(j, now)
  local leased, limit, provider = j.st == 'l', engine_limit(j.e)
  if leased and (j.g ~= (limit ~= nil) or j.p ~= provider) then
    count_anew(j)
    say(j.id .. ': was counted by other limits')
  end
  if j.fe then scored(LEASES, lease(j), leased and now + LEASE, j.id, 'the leases') end
  if limit then member(IN('e', j.e), j.id, leased and j.g, 'what runs of its engine') end
  provider = j.p or provider
  if provider then member(IN('p', provider), j.id, leased and j.p == provider, 'what runs of its provider') end
  if leased and call('HGET', IN('w', j.w), request_of(j)) ~= j.id then
    call('HSET', IN('w', j.w), request_of(j), j.id)
    say(j.id .. ': was not in what runs of its worker')
  end
end

local function sweep_line(j, s)
  local id, queued, at = j.id, j.st == 'q', call('ZSCORE', DUE, j.id)
  local kept = queued and is_kept(j, at)
  local class = kept and j.c .. '@' .. j.h or j.c
  local in_line = queued and (kept or not at)
  scored(Q(j.s, class), id, in_line and j.n, id, 'the line')
  if j.h then scored(Q(j.s, kept and j.c or j.c .. '@' .. j.h), id, false, id, 'another line') end
  if not queued then scored(DUE, id, false, id, 'what comes due') end
  if not in_line then return end
  if s.has[class] and j.n < s.has[class] then say(id .. ': was not said to be the first of its class') end
  stands(s, class, j.n)
end

-- What is left of jobs that are not there any more.
local function sweep_lost(session, lost, account)
  each('ZREM', JOBS(session), lost, 1)
  for class in pairs(account and account.has or {}) do each('ZREM', Q(session, class), lost, 1) end
  for _, id in ipairs(lost) do
    call('UNLINK', B(id))
    say(id .. ': was lost')
  end
end

-- The account of the session, whose places are written anew with those of its tenant.
local function placed_anew(tenant, session)
  local t, s = touch_tenant(tenant), touch(tenant, session)
  t.force, s.force = true, true
  return s
end

local function sweep(args)
  local now, session = clock(), args[2]
  mended = {}
  local status, tenant = unpack(call('HMGET', S(session), 'status', 'tenant'))
  member(UNDER_WAY, session, status ~= false and not over(status), 'what is under way')
  local of, runs, account, lost = nil, 0, nil, {}
  for _, id in ipairs(call('ZRANGE', JOBS(session), 0, -1)) do
    local j = job(id)
    if j then
      of, runs, account = j.t, runs + (j.st == 'l' and 1 or 0), placed_anew(j.t, session)
      sweep_lease(j, now)
      scored(DEAD, id, j.st == 'x' and now, id, 'the dead')
      sweep_line(j, account)
    else
      lost[#lost + 1] = id
    end
  end
  if #lost > 0 then
    if not of and tenant then of, account = tenant, placed_anew(tenant, session) end
    sweep_lost(session, lost, account)
  end
  if not of then return mended end
  if account.runs ~= runs then
    say(session .. ': ' .. account.runs .. ' of it were counted as running, and ' .. runs .. ' run')
    put(account, 'runs', runs)
  end
  for class in pairs(account.has) do
    local first = call('ZRANGE', Q(session, class), '0', '0', 'WITHSCORES')[2]
    if not first then
      say(session .. ': stood in line with nothing to run')
    elseif tonumber(first) ~= account.has[class] then
      say(session .. ': one that is not there was said to be the first of its class')
    end
    heads(account, class, first)
  end
  -- Where the session stands in the line of its tenant, and that in its own, before and after.
  for row in pairs(account.key and account.was or {}) do
    if not call('ZSCORE', TQ(of, row), account.key .. session) then say(session .. ': was not in the line of ' .. of) end
  end
  local t = touch_tenant(of)
  for row in pairs(t.key and t.was or {}) do
    if not call('ZSCORE', RQ(row), t.key .. of) then say(of .. ': was not in the line of tenants') end
  end
  local key = account.key
  flush()
  if key ~= account_of(session).key then say(session .. ': stood at the wrong place of the line') end
  return mended
end
