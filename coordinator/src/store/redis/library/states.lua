-- args: now, jobs. Of each: state or '', fence or '', how often it failed.
local function states(args)
  local all = {}
  for n = 2, #args do
    local j = job(args[n])
    all[n - 1] = j and { j.st, j.fe or '', j.f } or { '', '', 0 }
  end
  return all
end
