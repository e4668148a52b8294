-- args: now, and of each lease: job, fence. Answers the jobs whose lease is lost.
local function renew(args)
  local expires, renewed, lost = string.format('%d', clock() + LEASE), { 'XX', 'CH' }, {}
  for n = 2, #args, 2 do
    renewed[n + 1], renewed[n + 2] = expires, args[n] .. ' ' .. args[n + 1]
  end
  if #args < 2 then return lost end
  -- What is not there any more is not put there.
  if call('ZADD', LEASES, unpack(renewed)) == (#args - 1) / 2 then return lost end
  for n = 2, #args, 2 do
    if not call('ZSCORE', LEASES, renewed[n + 2]) then
      -- What the job says counts.
      local j = job(args[n])
      if j and j.st == 'l' and j.fe == args[n + 1] then
        call('ZADD', LEASES, expires, renewed[n + 2])
      else
        lost[#lost + 1] = args[n]
      end
    end
  end
  return lost
end
