-- args: now, tenant. How many classes its jobs in line are of: each of its calls costs by that.
local function kinds(args)
  return size(classes_in(touch_tenant(args[2]).has))
end
