-- args: now, how, and: 'give_back', 'let_go': job, fence, wait; 'undo': the worker and the request of a claim; 'expire';
-- 'abandon': session, 'dead' or not; 'bury': workers. Answers the jobs whose leases ended.

-- Back to the queue, or to the dead when it is worn out.
local function back(j, due, failed, died, now)
  release(j, now)
  j.f, j.d = j.f + failed, j.d + died
  if j.f >= MAX_ATTEMPTS or j.d >= MAX_DEATHS then
    call('HSET', J(j.id), 'st', 'x', 'r', ran(j))
    call('ZADD', DEAD, now, j.id)
  else
    enqueue(j, due, now, 'r', ran(j))
  end
end

-- The leases that are meant. An index may lie: what a job says of its lease counts.
local function meant(how, args, now)
  local found, seen = {}, {}
  local function add(id, fits)
    local j = id and not seen[id] and job(id)
    if not j or j.st ~= 'l' or not fits(j) then return false end
    seen[id] = true
    found[#found + 1] = j
    return true
  end
  if how == 'give_back' or how == 'let_go' then
    add(args[3], function(j) return j.fe == args[4] end)
  elseif how == 'undo' then
    add(call('HGET', IN('w', args[3]), args[4]), function(j) return j.w == args[3] and request_of(j) == args[4] end)
  elseif how == 'expire' then
    for _, member in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', now - KILL_MARGIN, 'LIMIT', 0, MOST_EXPIRED)) do
      if not add(of_lease(member), function(j) return lease(j) == member end) then call('ZREM', LEASES, member) end
    end
  elseif how == 'abandon' then
    for _, id in ipairs(call('ZRANGE', JOBS(args[3]), 0, -1)) do add(id, function() return true end) end
  else
    for n = 3, #args do
      for _, id in ipairs(call('HVALS', IN('w', args[n]))) do add(id, function(j) return j.w == args[n] end) end
    end
  end
  return found
end

local function requeue(args)
  local now, how, ids = clock(), args[2], {}
  local due, failed, died = now, 0, 0
  if how == 'give_back' or how == 'let_go' then due = now + tonumber(args[5]) end
  if how == 'give_back' or how == 'expire' then failed = 1 end
  if how == 'bury' or (how == 'abandon' and args[4] == 'dead') then died = 1 end
  for n, j in ipairs(meant(how, args, now)) do
    back(j, due, failed, died, now)
    ids[n] = j.id
  end
  -- What else one that is dead was given is not there any more.
  for n = 3, how == 'bury' and #args or 0 do call('UNLINK', IN('w', args[n])) end
  if #ids > 0 then
    flush()
    news('wl')
  end
  return ids
end
