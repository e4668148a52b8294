-- args: now, how many at most, only this session or ''. Of each, the longest dead first: id, fence, failed, died, since when.
local function dead(args)
  local most, only, found, all = tonumber(args[2]), args[3], {}, {}
  if only == '' then
    found = call('ZRANGE', DEAD, 0, most - 1)
  else
    local since = {}
    for _, id in ipairs(call('ZRANGE', JOBS(only), 0, -1)) do
      since[id] = tonumber(call('ZSCORE', DEAD, id))
      if since[id] then found[#found + 1] = id end
    end
    table.sort(found, function(a, b) return since[a] < since[b] or (since[a] == since[b] and a < b) end)
  end
  for n = 1, math.min(#found, most) do
    local j = job(found[n])
    all[#all + 1] = { j.id, j.fe, j.f, j.d, tonumber(call('ZSCORE', DEAD, j.id)) }
  end
  return all
end
