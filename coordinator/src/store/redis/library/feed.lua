-- args: now, session, after which number, how many at most. What is told of the session and what its engines print, each in
-- order: at one moment, so that no item comes between them and is left out.
local function feed(args)
  local function from(kind)
    return call('XRANGE', P .. kind .. ':' .. enc(args[2]), '(' .. args[3] .. '-0', '+', 'COUNT', args[4])
  end
  return { from('ev'), from('lg') }
end
