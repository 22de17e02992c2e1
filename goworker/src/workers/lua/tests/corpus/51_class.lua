-- Lua 5.1: a class with a metatable. Params: {"owner": "ann", "amounts": [10, 20, -5]}
-- Result: {"balance":25,"owner":"ann"}
local Account = {}
Account.__index = Account

function Account.new(owner)
  return setmetatable({ owner = owner, balance = 0 }, Account)
end

function Account:deposit(amount)
  self.balance = self.balance + amount
  return self
end

local account = Account.new(job.params.owner)
for _, amount in ipairs(job.params.amounts) do
  account:deposit(amount)
end
return { owner = account.owner, balance = account.balance }
