-- args: now, session, item, and of what an engine prints: how many items are kept, and for how long after the last of them. It
-- comes whole with the result, and would fill the server's memory.
local function publish(args)
  -- Of a session that was taken away nothing is kept any more.
  if call('HEXISTS', S(args[2]), 'version') == 0 then return 0 end
  local session, seq = enc(args[2]), call('HINCRBY', S(args[2]), 'seq', '1')
  if args[4] then
    local logs = P .. 'lg:' .. session
    call('XADD', logs, 'MAXLEN', '~', args[4], seq .. '-0', 'b', args[3])
    call('PEXPIRE', logs, args[5])
  else
    call('XADD', P .. 'ev:' .. session, seq .. '-0', 'b', args[3])
  end
  news('f')
  return seq
end
