-- ARGV: now, sessions
local now = clock()
for n = 2, #ARGV do
  local touched = redis.call('HGET', S(ARGV[n]), 'touched')
  if touched and tonumber(touched) < now then redis.call('HSET', S(ARGV[n]), 'touched', now) end
end
return #ARGV
