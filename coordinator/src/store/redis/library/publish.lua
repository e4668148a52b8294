-- args: now, session, item
local function publish(args)
  local seq = call('HINCRBY', S(args[2]), 'seq', 1)
  call('XADD', P .. 'ev:' .. enc(args[2]), seq .. '-0', 'b', args[3])
  news('f')
  return seq
end
