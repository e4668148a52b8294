-- ARGV: now, how, and: 'give_back', 'let_go': job, fence, wait; 'undo': the request of a claim; 'expire'; 'abandon': session, 'dead' or not; 'bury': workers
-- Answers the jobs whose leases ended.
local now, how = clock(), ARGV[2]

-- Back to the queue, or to the dead when it is worn out.
local function back(j, due, failed, died)
  local f, d = j.f + failed, j.d + died
  release(j, now)
  redis.call('HSET', J(j.id), 'f', f, 'd', d)
  if f >= MAX_ATTEMPTS or d >= MAX_DEATHS then
    redis.call('HSET', J(j.id), 'st', 'x')
    redis.call('ZADD', DEAD, now, j.id)
  else
    redis.call('HDEL', J(j.id), 'fe')
    enqueue(j, due, now)
  end
end

local ids, failed, died, due = {}, 0, 0, now
if how == 'give_back' or how == 'let_go' then
  local j = job(ARGV[3])
  if j and j.st == 'l' and j.fe == ARGV[4] then ids[1] = j.id end
  due = now + tonumber(ARGV[5])
  failed = how == 'give_back' and 1 or 0
elseif how == 'undo' then
  ids[1] = redis.call('HGET', REQ, ARGV[3]) or nil
elseif how == 'expire' then
  ids = redis.call('ZRANGEBYSCORE', LEASES, '-inf', now - KILL_MARGIN, 'LIMIT', 0, MOST_EXPIRED)
  failed = 1
elseif how == 'abandon' then
  ids = redis.call('SMEMBERS', IN('s', ARGV[3]))
  died = ARGV[4] == 'dead' and 1 or 0
else
  for n = 3, #ARGV do
    for _, id in ipairs(redis.call('SMEMBERS', IN('w', ARGV[n]))) do ids[#ids + 1] = id end
  end
  died = 1
end
for _, id in ipairs(ids) do
  local j = job(id)
  if j and j.st == 'l' then back(j, due, failed, died) end
end
if #ids > 0 then
  flush()
  news('wl')
end
return ids
