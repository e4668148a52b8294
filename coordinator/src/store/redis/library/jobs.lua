-- args: now, session. Of each job by arrival: id, state, worker or '', attempt.
local function jobs(args)
  local all = {}
  for _, id in ipairs(call('ZRANGE', JOBS(args[2]), 0, -1)) do
    local j = job(id)
    if j then all[#all + 1] = { id, j.st, j.w or '', j.a } end
  end
  return all
end
