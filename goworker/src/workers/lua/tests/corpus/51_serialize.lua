-- Lua 5.1: writes a table as Lua and reads it back with load. Params: {"a": 1, "b": {"c": "x"}}
-- Result: {"a":1,"b":{"c":"x"}}
local function write(value)
  if type(value) == "table" then
    local parts = {}
    for k, v in pairs(value) do
      parts[#parts + 1] = string.format("[%q]=%s", k, write(v))
    end
    return "{" .. table.concat(parts, ",") .. "}"
  end
  return type(value) == "string" and string.format("%q", value) or tostring(value)
end
return assert(load("return " .. write(job.params)))()
