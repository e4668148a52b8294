-- args: now, session. Of each job that waits or runs: 1 when it runs, and its body.
local function live(args)
  local all = {}
  for _, id in ipairs(call('ZRANGE', JOBS(args[2]), 0, -1)) do
    local st = call('HGET', J(id), 'st')
    if st == 'q' or st == 'l' then all[#all + 1] = { st == 'l' and 1 or 0, call('GET', B(id)) } end
  end
  return all
end
