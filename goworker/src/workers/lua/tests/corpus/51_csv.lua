-- Lua 5.1: reads CSV with gmatch. Params: {"csv": "name,qty\nbolt,3\nnut,4\n"}
-- Result: [{"name":"bolt","qty":3},{"name":"nut","qty":4}]
local rows, header = {}, nil
for line in job.params.csv:gmatch("[^\n]+") do
  local fields = {}
  for field in (line .. ","):gmatch("([^,]*),") do
    fields[#fields + 1] = field
  end
  if not header then
    header = fields
  else
    local row = {}
    for i, name in ipairs(header) do
      row[name] = tonumber(fields[i]) or fields[i]
    end
    rows[#rows + 1] = row
  end
end
return rows
