-- One publish of a topic that keeps a log. All of it happens, or nothing.
--
-- KEYS  1 stream  2 head  3 the publisher's newest serial in this log
-- ARGV  1 channel                     2 PUBLISH or SPUBLISH
--       3 the server's id, 8 bytes, or '' if it is not known
--       4 the lineage to begin, should one begin, 8 bytes
--       5 the publisher's serial
--       6 the serial that must be in the log before it, 0 if none need be
--       7 the length of the log         8 milliseconds that an idle log is kept
--       9 milliseconds that the publisher's serial is kept
--      10 what the envelope begins with 11 what follows lineage and number
--
-- Returns {1, number, listeners}  kept and published
--         {2, number}             was there already; 0 if its number is not known any more
--         {3, serial}             the log lacks what must come first; it has up to serial
--         an error                nothing happened: who cannot be kept is not published either

local serial, newest, number = tonumber(ARGV[5]), 0, 0
local state = redis.call('GET', KEYS[3])
if state then
  local last, at = string.match(state, '^(%d+):(%d+)$')
  newest, number = tonumber(last), tonumber(at)
end
if serial <= newest then
  -- A write, so that a replica can be waited for here as well.
  redis.call('PEXPIRE', KEYS[3], ARGV[9])
  return {2, serial == newest and number or 0}
end

if tonumber(ARGV[6]) > newest then
  -- Writes nothing, and is refused whenever a write would be.
  local probe = redis.pcall('SETRANGE', KEYS[3], 0, '')
  if type(probe) == 'table' and probe.err then
    return probe
  end
  return {3, newest}
end

-- The newest number that the stream itself knows of.
local function top()
  local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then
      return tonumber(string.match(info[at + 1], '^%d+'))
    end
  end
  return 0
end

local head = redis.call('HMGET', KEYS[2], 'n', 'l', 'c', 'o')
local last, lineage, forked = tonumber(head[1] or 0), head[2], false
if not lineage then
  -- The head is gone. If the stream is not, its numbers cannot be given out again.
  last, forked = top(), true
elseif ARGV[3] ~= '' and ARGV[3] ~= head[3] and ARGV[3] ~= head[4] then
  -- Another server took over. Who still calls it by its former id begins nothing.
  forked = true
end
local before = lineage or ''
if forked then
  lineage = ARGV[4]
end

number = last + 1
local envelope
local function add()
  envelope = ARGV[10] .. lineage .. struct.pack('>I8', number) .. ARGV[11]
  local id = string.format('%.0f-0', number)
  return redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[7], id, 'e', envelope)
end
local added = add()
if type(added) == 'table' and added.err and number <= top() then
  -- The head is behind the stream: one of them was restored, or somebody else adds to it.
  -- What is between them belongs to no lineage that anybody knows.
  last, lineage, before, forked = top(), ARGV[4], '', true
  number = last + 1
  added = add()
end
if type(added) == 'table' and added.err then
  return added
end
if forked then
  redis.call('HSET', KEYS[2], 'n', number, 'l', lineage, 'p', before, 'f', last,
    'c', ARGV[3], 'o', head[3] or '')
else
  redis.call('HSET', KEYS[2], 'n', number)
end
redis.call('PEXPIRE', KEYS[1], ARGV[8])
redis.call('PEXPIRE', KEYS[2], ARGV[8])
redis.call('SET', KEYS[3], string.format('%.0f:%.0f', serial, number), 'PX', ARGV[9])
return {1, number, redis.call(ARGV[2], ARGV[1], envelope)}
