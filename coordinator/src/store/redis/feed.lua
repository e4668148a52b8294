-- ARGV: now, session, after which number, how many at most. What is told of the session and what its engines print, each in
-- order: at one moment, so that no item comes between them and is left out.
local function from(kind)
  return redis.call('XRANGE', P .. kind .. ':' .. enc(ARGV[2]), '(' .. ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])
end
return { from('ev'), from('lg') }
