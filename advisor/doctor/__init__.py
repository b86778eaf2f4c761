"""What is missing for good advice: privileges, extensions, log settings and throwaway servers, each with its price."""
