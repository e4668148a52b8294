-- args: now, session. Takes away all that is kept of it; whether it had ended.
local function prune(args)
  local session = args[2]
  local status = call('HGET', S(session), 'status')
  if not status or not over(status) then return 0 end
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
  call('SREM', UNDER_WAY, session)
  return 1
end
