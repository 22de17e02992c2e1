-- Lua 5.1: producer, filter and consumer, as in the book. Params: {"lines": ["a", "b"]}
-- Result: ["1 a","2 b"]
local function producer(lines)
  return coroutine.create(function()
    for _, line in ipairs(lines) do coroutine.yield(line) end
    return nil
  end)
end
local function receive(from)
  local _, value = coroutine.resume(from)
  return value
end
local function filter(from)
  return coroutine.create(function()
    local n = 1
    while true do
      local line = receive(from)
      if not line then return nil end
      coroutine.yield(n .. " " .. line)
      n = n + 1
    end
  end)
end
local source, out = filter(producer(job.params.lines)), {}
while true do
  local line = receive(source)
  if not line then break end
  table.insert(out, line)
end
return out
