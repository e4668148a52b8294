-- args: now, session. Its version and its head or nothing, and its events: together, so that no transition comes between them.
-- A transaction would do as well, but a server without memory refuses even one that only reads.
local function record(args)
  local kept = call('HMGET', S(args[2]), 'version', 'head')
  return { kept[1], kept[2], call('LRANGE', P .. 'e:' .. enc(args[2]), 0, -1) }
end
