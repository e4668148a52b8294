-- ARGV: now, session. Its version and its head or nothing, and its events: together, so that no transition comes between them.
-- A transaction would do as well, but a server without memory refuses even one that only reads.
local kept = redis.call('HMGET', S(ARGV[2]), 'version', 'head')
return { kept[1], kept[2], redis.call('LRANGE', P .. 'e:' .. enc(ARGV[2]), 0, -1) }
