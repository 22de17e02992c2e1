-- Lua 5.2: an ordered map by a list of keys. Params: {}
-- Result: "b=1;a=2"
local function ordered()
  local keys, values = {}, {}
  return setmetatable({}, {
    __newindex = function(_, k, v)
      if values[k] == nil then keys[#keys + 1] = k end
      values[k] = v
    end,
    __call = function()
      local i = 0
      return function()
        i = i + 1
        if keys[i] then return keys[i], values[keys[i]] end
      end
    end,
  })
end
local map, out = ordered(), {}
map.b = 1
map.a = 2
for k, v in map() do out[#out + 1] = k .. "=" .. v end
return table.concat(out, ";")
