-- ARGV: now, session, item, and of what an engine prints: how many items are kept, and for how long after the last of them. It
-- comes whole with the result, and would fill the server's memory.
local session, seq = enc(ARGV[2]), redis.call('HINCRBY', S(ARGV[2]), 'seq', 1)
if ARGV[4] then
  local logs = P .. 'lg:' .. session
  redis.call('XADD', logs, 'MAXLEN', '~', ARGV[4], seq .. '-0', 'b', ARGV[3])
  redis.call('PEXPIRE', logs, ARGV[5])
else
  redis.call('XADD', P .. 'ev:' .. session, seq .. '-0', 'b', ARGV[3])
end
news('f')
return seq
