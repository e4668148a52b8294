-- Into the line, out of it, and out of a lease.
local function push(j, now)
  local s = touch(j.t, j.s)
  local class = j.c
  if j.h then
    local kept = kept_until(j)
    if now < kept then
      call('ZADD', DUE, kept, j.id)
      class = class .. '@' .. j.h
    end
  end
  call('ZADD', Q(j.s, class), j.n, j.id)
  stands(s, class, j.n)
end

-- Out of what waits.
local function pull(j)
  local s = touch(j.t, j.s)
  local class = R(j)
  -- What is not in line comes due.
  local in_line = call('ZREM', Q(j.s, class), j.id) == 1
  if j.h or not in_line then call('ZREM', DUE, j.id) end
  if in_line and s.has[class] == j.n then heads(s, class, call('ZRANGE', Q(j.s, class), '0', '0', 'WITHSCORES')[2]) end
end

-- With further fields of the job, if there are any.
local function enqueue(j, due, now, ...)
  call('HSET', J(j.id), 'st', 'q', 'du', due, ...)
  j.du = due
  if due <= now then push(j, now) else call('ZADD', DUE, due, j.id) end
end

-- What came due moves into the line, and what was kept for its home into everybody's, so many at a time.
local function promote(now)
  local first = call('ZRANGE', DUE, '0', '0', 'WITHSCORES')[2]
  if not first or tonumber(first) > now then return end
  local found = call('ZRANGEBYSCORE', DUE, '-inf', string.format('%d', now), 'WITHSCORES', 'LIMIT', '0', MOST_DUE)
  for n = 1, #found, 2 do
    local j = job(found[n])
    local waits = j and j.st == 'q'
    if waits and is_kept(j, found[n + 1]) then
      pull(j)
    else
      call('ZREM', DUE, found[n])
    end
    if waits then push(j, now) end
  end
  flush()
end

-- What came due and was not asked for since, which is in no line yet.
local function late(now)
  local all, found = {}, call('ZRANGEBYSCORE', DUE, '-inf', now, 'WITHSCORES', 'LIMIT', 0, MOST_DUE)
  for n = 1, #found, 2 do
    local j = job(found[n])
    if j and not is_kept(j, found[n + 1]) then all[#all + 1] = j end
  end
  return all
end

local function charge(account, used, now)
  put(account, 'mark', math.min(math.max(account.mark or 0, now) + div(used, account.weight), now + HORIZON))
  put(account, 'runs', math.max(0, account.runs - 1))
end

-- Ends a lease: its slots are free, and its time is charged. Who had it stays written at the job until it is leased again.
local function release(j, now)
  local t, s = touch_tenant(j.t), touch(j.t, j.s)
  call('ZREM', LEASES, lease(j))
  call('HDEL', IN('w', j.w), request_of(j))
  if j.g then call('SREM', IN('e', j.e), j.id) end
  if j.p then call('SREM', IN('p', j.p), j.id) end
  local used = math.max(0, now - j.si)
  charge(t, used, now)
  charge(s, used, now)
end

-- Its engine may have a limit now, or none, or count to another provider.
local function count_anew(j)
  local limit, provider = engine_limit(j.e)
  if j.p and j.p ~= provider then call('SREM', IN('p', j.p), j.id) end
  if provider then call('SADD', IN('p', provider), j.id) end
  if j.g and not limit then call('SREM', IN('e', j.e), j.id) end
  if limit then call('SADD', IN('e', j.e), j.id) end
  j.g, j.p = limit ~= nil, provider
  call('HSET', J(j.id), 'r', ran(j))
end
