-- args: now, session. Takes away all that is kept of it; whether it had ended.
local function prune(args)
  local session = args[2]
  local status = call('HGET', S(session), 'status')
  if not status or status == 'new' or status == 'waiting' or status == 'running' then return 0 end
  local jobs = JOBS(session)
  for _, id in ipairs(call('ZRANGE', jobs, 0, -1)) do
    local j = job(id)
    if j and (j.st == 'q' or j.st == 'l') then return 0 end
    call('ZREM', DEAD, id)
  end
  for _, id in ipairs(call('ZRANGE', jobs, 0, -1)) do call('UNLINK', J(id), B(id)) end
  call('UNLINK', jobs, S(session), P .. 'e:' .. enc(session), P .. 'ev:' .. enc(session),
    P .. 'lg:' .. enc(session))
  call('ZREM', P .. 'sessions', session)
  call('ZREM', P .. 'ids', session)
  return 1
end
