-- Lua 5.1: inheritance by chained metatables. Params: {}
-- Result: ["woof","...","Dog"]
local Animal = {}
Animal.__index = Animal
function Animal.new(class, name)
  return setmetatable({ name = name }, class)
end
function Animal:speak() return "..." end

local Dog = setmetatable({}, { __index = Animal })
Dog.__index = Dog
Dog.__tostring = function(self) return self.name end
function Dog:speak() return "woof" end

return { Animal.new(Dog, "Dog"):speak(), Animal.new(Animal, "x"):speak(), tostring(Animal.new(Dog, "Dog")) }
