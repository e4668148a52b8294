-- args: now, nonce, session, tenant, created, title, repository, head. Whether it is new; the same call again is answered the same.
local function create(args)
  local id = args[3]
  if call('EXISTS', S(id)) == 1 then return call('HGET', S(id), 'made') == args[2] and 1 or 0 end
  call('HSET', S(id), 'made', args[2], 'version', 0, 'tenant', args[4], 'created', args[5], 'title', args[6],
    'repository', args[7], 'head', args[8], 'status', 'new', 'winner', '', 'touched', 0)
  call('ZADD', P .. 'sessions', args[5], id)
  call('ZADD', P .. 'ids', 0, id)
  call('SADD', UNDER_WAY, id)
  news('f')
  return 1
end
