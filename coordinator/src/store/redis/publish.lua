-- ARGV: now, session, item
local seq = redis.call('HINCRBY', S(ARGV[2]), 'seq', 1)
redis.call('XADD', P .. 'ev:' .. enc(ARGV[2]), seq .. '-0', 'b', ARGV[3])
news('f')
return seq
