-- Lua 5.4: nested data, string methods, numeric for. Params: {"order": {"lines": [{"sku": "A-1", "qty": 2, "price": 9.5}, {"sku": "B-2", "qty": 1, "price": 3}]}}
-- Result: {"skus":["A","B"],"total":"22.00"}
local total, skus = 0, {}
for i = 1, #job.params.order.lines do
  local line = job.params.order.lines[i]
  total = total + line.qty * line.price
  skus[#skus + 1] = line.sku:match("^(%a+)%-%d+$")
end
return { total = ("%.2f"):format(total), skus = skus }
