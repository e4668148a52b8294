-- args: now, nonce, session, version, event, status, winner, job to settle or '', its fence, cancel: '', 'all' or 'engines';
-- how many jobs, and of each: id, body, session, tenant, engine, engine work, limit, weight, priority, class, what that needs,
-- home or ''; then what is told
local RECORD = { 'version', 'last', 'answer', 'touched', 'tenant', 'account' }

-- A write, so that whoever waits for replicas waits for the first report too.
local function again(answer)
  call('HINCRBY', CELL, 'repeated', 1)
  return answer
end

-- What is wrong with the report, or already known of it. The fence comes before the version: a repeated report must be told
-- apart from a conflict.
local function refused(settled, fence)
  if not settled or settled.fe ~= fence then return { 'stale' } end
  if settled.st == 'd' then return again({ 'repeated' }) end
  if settled.st ~= 'l' and settled.st ~= 'x' then return { 'stale' } end
  return nil
end

local function finish(j, state)
  call('HSET', J(j.id), 'st', state)
  call('UNLINK', B(j.id))
end

-- Ends every job of it, or every engine's; answers those that ran.
local function cancel_jobs(session, which, now, answer)
  for _, id in ipairs(call('ZRANGE', JOBS(session), 0, -1)) do
    local j = job(id)
    if j and j.st ~= 'd' and j.st ~= 'c' and (which == 'all' or j.i) then
      if j.st == 'l' then
        release(j, now)
        answer[#answer + 1] = id
      elseif j.st == 'q' then
        pull(j)
      else
        call('ZREM', DEAD, id)
      end
      finish(j, 'c')
    end
  end
end

-- With its first session it is known.
local function open_tenant(tenant, now)
  local t = touch_tenant(tenant)
  if t.mark then return end
  call('SADD', P .. 'tenants', tenant)
  put(t, 'mark', now)
end

-- A job of those that begin at the nth argument, unless it is there.
local function add(args, n, now)
  local id, of, tenant, class, home = args[n], args[n + 2], args[n + 3], args[n + 9], args[n + 11]
  if call('EXISTS', J(id)) == 1 then return end
  local s = touch(tenant, of)
  if s.t ~= tenant then
    s.t = tenant
    open_tenant(tenant, now)
  end
  local j = { id = id, s = of, t = tenant, e = args[n + 4], c = class, h = home ~= '' and home or nil,
    n = call('HINCRBY', CELL, 'arrivals', '1') - 1 }
  -- Where the session has it in line it is written.
  if not s.has[class] then call('HSETNX', CLASSES, class, args[n + 10]) end
  call('SET', B(id), args[n + 1])
  call('ZADD', JOBS(of), j.n, id)
  if not s.mark then open_tenant(tenant, now) end
  for k, field in ipairs({ 'limit', 'weight', 'priority' }) do
    local value = tonumber(args[n + 5 + k])
    if s[field] ~= value or not s.mark then put(s, field, value) end
  end
  if not s.mark then put(s, 'mark', now) end
  enqueue(j, now, now, 'm', cmsgpack.pack(of, tenant, j.e, args[n + 5] == '1', j.n, class, j.h))
end

local function tell(session, args, from)
  for n = from, #args do
    local seq = call('HINCRBY', S(session), 'seq', 1)
    call('XADD', P .. 'ev:' .. enc(session), seq .. '-0', 'b', args[n])
  end
end

local function commit(args)
  local now, nonce, session, settle, cancel, jobs = clock(), args[2], args[3], args[8], args[10], tonumber(args[11])
  local v = call('HMGET', S(session), unpack(RECORD))
  -- The same call once more: its answer was lost.
  if v[2] == nonce then return again(cmsgpack.unpack(v[3])) end
  local settled = settle ~= '' and job(settle)
  local no = settle ~= '' and refused(settled, args[9])
  if no then return no end
  if not v[1] then return { 'unknown' } end
  if v[1] ~= args[4] then return { 'conflict' } end

  local record, answer = opened(v[5], session, v[6]), { 'done' }
  if settled then
    if settled.st == 'l' then release(settled, now) else call('ZREM', DEAD, settle) end
    finish(settled, 'd')
  end
  if cancel ~= '' then cancel_jobs(session, cancel, now, answer) end
  for n = 0, jobs - 1 do add(args, 12 + 12 * n, now) end
  call('RPUSH', P .. 'e:' .. enc(session), args[5])
  local account = settle_session(session, record)
  sessions[session] = nil
  local fields = { 'version', v[1] + 1, 'status', args[6], 'winner', args[7], 'last', nonce, 'answer', cmsgpack.pack(answer),
    'touched', math.max(v[4], now) }
  if account then fields[13], fields[14] = 'account', account end
  if record.t ~= v[5] then
    fields[#fields + 1] = 'tenant'
    fields[#fields + 1] = record.t
  end
  call('HSET', S(session), unpack(fields))
  is_written(record, account or record.found)
  -- A session that has ended does not go on.
  if over(args[6]) then call('SREM', UNDER_WAY, session) end
  tell(session, args, 12 + 12 * jobs)
  flush()
  news('f' .. ((settled or cancel ~= '' or jobs > 0) and 'w' or '') .. (#answer > 1 and 'l' or ''))
  return answer
end
