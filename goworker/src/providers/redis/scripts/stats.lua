-- How many jobs there are: answers type, state and number, again and again; when the oldest ready one became so (nothing if none is);
-- and what is paused.
local found, at, oldest = {}, {}, nil

local function add(type, state, number)
  local key = state .. ' ' .. type
  if at[key] then
    found[at[key]] = found[at[key]] + number
  elseif number > 0 then
    found[#found + 1], found[#found + 2], found[#found + 3] = type, state, number
    at[key] = #found
  end
end

local function older(at)
  if not oldest or at < oldest then
    oldest = at
  end
end

local counts = call('HGETALL', prefix .. 'counts')
for index = 1, #counts, 2 do
  local state, type = string.match(counts[index], '^(%a+) (.*)$')
  if state then
    add(type, state, tonumber(counts[index + 1]))
  end
end

local types = call('HGETALL', prefix .. 'types')
for index = 1, #types, 2 do
  local type, lowest_known = types[index], tonumber(types[index + 1])
  local list, ordered = prefix .. 'list:' .. type, prefix .. 'ready:' .. type
  local listed = call('LLEN', list) - call('HLEN', prefix .. 'gone:' .. type)
  add(type, 'ready', listed + call('ZCARD', ordered))
  if listed > 0 then
    local at = 0
    local head
    repeat
      head = call('LINDEX', list, at)
      at = at + 1
    until not head or call('HEXISTS', prefix .. 'gone:' .. type, head) == 0
    local record = head and call('HGET', prefix .. 'jobs', head)
    if record then
      older(jobs.parse(head, record).due)
    end
  end
  local from, PAGE = 0, 100
  repeat
    local page = call('ZRANGE', ordered, from, from + PAGE - 1, 'WITHSCORES')
    for pair = 1, #page, 2 do
      local score = tonumber(page[pair + 1])
      -- No job from here on can have become ready earlier than this.
      if oldest and oldest <= score + lowest_known * STEP then
        page = {}
        break
      end
      local job = jobs.load(jobs.id_in(page[pair]))
      if job then
        older(score + job.priority * STEP)
      end
    end
    from = from + PAGE
  until #page < 2 * PAGE
end

local running = {}
for _, batch in ipairs(all_batches()) do
  each_open(batch, function(position)
    local type = type_at(batch, position)
    running[type] = (running[type] or 0) + 1
  end)
end
for type, number in pairs(running) do
  add(type, 'running', number)
end
for _, packed in ipairs(call('HVALS', prefix .. 'moving')) do
  for _, id in ipairs(cmsgpack.unpack(packed)[2]) do
    local job = jobs.load(id)
    local state = job and moving.state_of_moving(job)
    if job then
      add(job.type, state, 1)
    end
    if state == 'ready' then
      older(job.due)
    end
  end
end
return { found, oldest and int(oldest) or false, call('SMEMBERS', prefix .. 'paused') }
