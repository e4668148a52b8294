-- args: now, how, and: 'give_back', 'let_go': job, fence, wait; 'undo': the worker and the request of a claim; 'expire'; 'abandon': session, 'dead' or not; 'bury': workers
-- Answers the jobs whose leases ended.
-- Back to the queue, or to the dead when it is worn out.
local function back(j, due, failed, died, now)
  local _, f, d = tries(j.id)
  f, d = f + failed, d + died
  release(j, now)
  call('HSET', J(j.id), 'f', f, 'd', d)
  if f >= MAX_ATTEMPTS or d >= MAX_DEATHS then
    call('HSET', J(j.id), 'st', 'x')
    call('ZADD', DEAD, now, j.id)
  else
    call('HDEL', J(j.id), 'fe')
    enqueue(j, due, now)
  end
end

local function requeue(args)
  local now, how = clock(), args[2]

  local ids, failed, died, due = {}, 0, 0, now
  if how == 'give_back' or how == 'let_go' then
    local j = job(args[3])
    if j and j.st == 'l' and j.fe == args[4] then ids[1] = j.id end
    due = now + tonumber(args[5])
    failed = how == 'give_back' and 1 or 0
  elseif how == 'undo' then
    ids[1] = call('HGET', IN('w', args[3]), args[4]) or nil
  elseif how == 'expire' then
    for _, member in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', now - KILL_MARGIN, 'LIMIT', 0, MOST_EXPIRED)) do
      ids[#ids + 1] = of_lease(member)
    end
    failed = 1
  elseif how == 'abandon' then
    for _, id in ipairs(call('ZRANGE', JOBS(args[3]), 0, -1)) do
      if call('HGET', J(id), 'st') == 'l' then ids[#ids + 1] = id end
    end
    died = args[4] == 'dead' and 1 or 0
  else
    for n = 3, #args do
      for _, id in ipairs(call('HVALS', IN('w', args[n]))) do ids[#ids + 1] = id end
    end
    died = 1
  end
  for _, id in ipairs(ids) do
    local j = job(id)
    if j and j.st == 'l' then back(j, due, failed, died, now) end
  end
  if #ids > 0 then
    flush()
    news('wl')
  end
  return ids
end
