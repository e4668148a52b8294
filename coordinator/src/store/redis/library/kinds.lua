-- args: now, tenant. How many classes its jobs in line are of: each of its calls costs by that.
local function kinds(args)
  local n = 0
  for _ in pairs(classes_in(touch_tenant(args[2]).has)) do n = n + 1 end
  return n
end
