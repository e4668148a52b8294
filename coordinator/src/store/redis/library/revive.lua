-- args: now, job. Whether it was dead.
local function revive(args)
  local now, j = clock(), job(args[2])
  if not j or j.st ~= 'x' then return 0 end
  call('ZREM', DEAD, j.id)
  j.f, j.d = 0, 0
  enqueue(j, now, now, 'r', ran(j))
  flush()
  news('w')
  return 1
end
