-- args: now, job. Answers a word and what belongs to it.
local function why(args)
  local now, j = clock(), job(args[2])
  if not j then return { 'unknown' } end
  if j.st == 'd' or j.st == 'c' then return { 'ended' } end
  if j.st == 'x' then return { 'dead', j.f, j.d } end
  if j.st == 'l' then
    local expires = tonumber(call('ZSCORE', LEASES, lease(j)) or now + LEASE)
    if expires <= now then return { 'suspect', j.w, expires + KILL_MARGIN } end
    return { 'runs', j.w }
  end
  if j.du > now then return { 'not_due', j.du } end

  local held = blocked(j)
  if held then return { 'limit', held[1], held[2], held[3], held[4] } end
  local at = j.h and call('ZSCORE', DUE, j.id)
  -- One that came due and was not asked for since is in no line yet, and will be kept.
  local kept = at and (is_kept(j, at) and tonumber(at) or kept_until(j))
  if kept and now < kept then return { 'kept', j.h, kept } end
  local ahead = 0
  for class in pairs(account_of(j.s).has) do
    ahead = ahead + call('ZCOUNT', Q(j.s, class), '-inf', '(' .. j.n)
  end
  for _, other in ipairs(late(now)) do
    if other.s == j.s and other.n < j.n then ahead = ahead + 1 end
  end
  return { 'ready', ahead }
end
