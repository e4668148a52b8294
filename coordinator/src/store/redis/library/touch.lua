-- args: now, sessions
local function notice(args)
  local now = clock()
  for n = 2, #args do
    local touched = call('HGET', S(args[n]), 'touched')
    if touched and tonumber(touched) < now then call('HSET', S(args[n]), 'touched', now) end
  end
  return #args
end
