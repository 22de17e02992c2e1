-- Takes note of what became of deliveries: one group of arguments after the other, each with a token and a position in its batch:
--   done TOKEN COUNT FIRST LAST..                without output; COUNT pairs of positions, in order
--   output TOKEN POSITION OUTPUT
--   retry TOKEN POSITION MS CHARGED ATTEMPT      CHARGED is 1 or 0, ATTEMPT may be empty
--   dead TOKEN POSITION FAILURE ATTEMPT COUNT    and COUNT handler jobs, as in intake.lua
--   cancelled TOKEN POSITION
--   release TOKEN POSITION

local batches, refused, number = {}, {}, 0 -- batches by token; refused ones are counted from 0, in the order of the arguments

local function held(token)
  if batches[token] == nil then
    batches[token] = batch_of(token) or false
  end
  return batches[token]
end

-- Notes that positions are settled by this; or that they are refused, and answers nothing.
local function mark(token, first, last)
  local batch, from = held(token), number
  number = number + last - first + 1
  if batch and are_open(batch, first, last) then
    batch.settled = string.sub(batch.settled, 1, first) .. string.rep('1', last - first + 1) .. string.sub(batch.settled, last + 2)
    batch.touched = true
    return batch
  end
  for position = from, number - 1 do
    refused[#refused + 1] = position
  end
end

local function list_done(batch, position)
  local id = ids_of(batch)[position + 1]
  if is_asked(id) then
    call('SREM', prefix .. 'asked', id)
  end
  list_ended('done', type_at(batch, position), id)
end

-- Of positions that follow each other, if some are settled already, each is looked at by itself.
local function settle_done(token, first, last)
  local batch = held(token)
  if first < last and not (batch and are_open(batch, first, last)) then
    for position = first, last do
      settle_done(token, position, position)
    end
  elseif mark(token, first, last) then
    if last - first + 1 == batch.size and not exists('asked') then
      batch.is_listed = true
      return list_group('done', batch.types, batch.text)
    end
    for position = first, last do
      list_done(batch, position)
    end
  end
end

-- Answers which settlements are refused, of those in the arguments from one to another.
local function settle(from, to)
  look_for({ 'asked', 'progress', 'next' })
  local at = from
  while at <= to do
    local ending, token = ARGV[at], ARGV[at + 1]
    if ending == 'done' then
      local pairs_end = at + 2 + 2 * ARGV[at + 2]
      for index = at + 3, pairs_end, 2 do
        settle_done(token, tonumber(ARGV[index]), tonumber(ARGV[index + 1]))
      end
      at = pairs_end + 1
    elseif ending == 'output' then
      local position = tonumber(ARGV[at + 2])
      local batch = mark(token, position, position)
      if batch then
        call('HSET', prefix .. 'output', ids_of(batch)[position + 1], ARGV[at + 3])
        list_done(batch, position)
      end
      at = at + 4
    else
      local position = tonumber(ARGV[at + 2])
      local batch = mark(token, position, position)
      at = endings[ending](batch and jobs.load(ids_of(batch)[position + 1]), at + 3)
    end
  end

  for token, batch in pairs(batches) do
    if batch and batch.touched then
      if are_settled(batch) then
        close_batch(batch)
      else
        call('SET', prefix .. 'settled:' .. token, batch.settled)
      end
    end
  end
  return refused
end
