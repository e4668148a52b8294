-- args: now, job. Whether it was dead.
local function revive(args)
  local now, j = clock(), job(args[2])
  if not j or j.st ~= 'x' then return 0 end
  call('ZREM', DEAD, j.id)
  call('HSET', J(j.id), 'f', 0, 'd', 0)
  call('HDEL', J(j.id), 'fe')
  enqueue(j, now, now)
  flush()
  news('w')
  return 1
end
